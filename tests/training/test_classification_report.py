import json

import numpy as np
import pytest

from keras_selfattn.training.classification_report import (
    classification_report,
    error_examples,
    report_text,
    write_report,
)

LABELS = ["bad", "good", "odd"]
TRUTH = [0, 0, 1, 1]
SCORES = np.array(
    [[0.9, 0.1, 0], [0.3, 0.7, 0], [0.2, 0.8, 0], [0.05, 0.95, 0]]
)


def test_figures_are_those_worked_out_by_hand():
    report = classification_report(LABELS, TRUTH, SCORES)
    assert report["accuracy"] == 0.75
    assert report["confusion"] == [[1, 1, 0], [0, 2, 0], [0, 0, 0]]
    bad, good = report["classes"]["bad"], report["classes"]["good"]
    assert (bad["precision"], bad["recall"], bad["support"]) == (1, 0.5, 2)
    assert good["precision"] == pytest.approx(2 / 3)
    assert good["f1"] == pytest.approx(0.8)
    # "odd" never occurs: it has no part in the means.
    assert report["macro"]["recall"] == 0.75
    assert report["macro"]["f1"] == pytest.approx((2 / 3 + 0.8) / 2)
    assert report["classes"]["odd"]["f1"] == 0
    assert report["matthews"] == pytest.approx(2 / 12**0.5)
    text = report_text(report)
    assert "accuracy 75.00 %, Matthews correlation 0.577" in text
    assert "macro mean" in text


def test_the_surest_errors_come_first():
    texts = ["a", "b", "c", "d"]
    found = error_examples(texts, LABELS, [1, 0, 0, 0], SCORES)
    assert [error["text"] for error in found] == ["d", "a", "c", "b"]
    assert found[0] == {
        "text": "d",
        "label": "bad",
        "found": "good",
        "score": 0.95,
    }
    assert len(error_examples(texts, LABELS, [1, 0, 0, 0], SCORES, 2)) == 2
    assert error_examples(texts, LABELS, [0, 1, 1, 1], SCORES) == []


def test_writes_json_picture_and_errors(tmp_path):
    from matplotlib import pyplot

    texts = ["fein", "schlecht", "gut", "好"]
    report = write_report(tmp_path, "dev", LABELS, texts, TRUTH, SCORES, "x")
    kept = json.loads((tmp_path / "report_dev.json").read_text("utf-8"))
    assert kept == report
    lines = (tmp_path / "errors_dev.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["schlecht"]
    pixels = pyplot.imread(tmp_path / "confusion_dev.png")
    assert pixels.shape[0] > 200 and pixels.std() > 0.05
    assert len(list(tmp_path.iterdir())) == 3


def test_scores_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match=r"expected at least one"):
        classification_report(LABELS, [], np.zeros((0, 3)))
    with pytest.raises(ValueError, match=r"the shape \(4, 3\)"):
        classification_report(["a", "b"], TRUTH, SCORES)
