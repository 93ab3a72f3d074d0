import json
from types import SimpleNamespace

import numpy as np
import pytest
from typer.testing import CliRunner

from keras_selfattn.data.text_tables import TextExample

TABLE = (
    "split\tlabel\ttext\n"
    "train\tbad\tdull\n"
    "train\tgood\tfine\n"
    "test\tbad\tdull\n"
    "test\tbad\tpoor\n"
    "test\tgood\tlovely\n"
    "test\tgood\tso so\n"
)


class Guesser:
    """Stands in for a runtime classifier: sure of two words."""

    labels = ["bad", "good"]

    def __init__(self, words=("dull", "poor")):
        self.words = words

    def classify(self, text):
        bad = 0.8 if text in self.words else 0.3
        return SimpleNamespace(
            label="bad" if bad > 0.5 else "good",
            scores={"bad": bad, "good": 1 - bad},
        )


@pytest.fixture
def evaluate(load_script):
    return load_script("train/evaluate_text_classification.py")


@pytest.fixture
def data(tmp_path):
    (tmp_path / "films.tsv").write_text(TABLE)
    return tmp_path


def test_texts_that_also_stand_in_train_are_told_apart(evaluate, data):
    examples = evaluate.read_set(data, "films:test", None)
    seen = evaluate.seen_in_train(data, "films:test", examples)
    assert seen.tolist() == [True, False, False, False]
    assert not evaluate.seen_in_train(data, "films:train", examples[:2]).any()
    found = evaluate.measure(Guesser(["dull"]), examples, seen)
    assert found["accuracy"] == 0.75
    assert found["unseen_accuracy"] == pytest.approx(2 / 3)
    assert found["seen"] == 1
    entry = evaluate.metrics_entry(
        "films:test", found, data / "m.tflite", "ab", "x"
    )
    assert entry["accuracy"] == 0.75 and entry["seen_in_train"] == 1
    assert entry["macro_f1"] == pytest.approx((2 / 3 + 0.8) / 2, abs=1e-6)
    assert entry["dataset"] == "films" and entry["examples"] == 4
    json.dumps(entry)


def test_compare_counts_labels_that_are_equal(evaluate, data):
    examples = evaluate.read_set(data, "films:test", None)
    other = Guesser(["dull"])
    found = evaluate.measure(
        Guesser(),
        examples,
        np.zeros(4, bool),
        lambda texts: [other.classify(text).label for text in texts],
    )
    assert found["equal"] == 3 and found["unequal"] == [1]


def test_limits_and_wrong_sets_are_named(evaluate, data):
    assert len(evaluate.read_set(data, "films:test", 2)) == 2
    with pytest.raises(ValueError, match="holds no table books"):
        evaluate.read_set(data, "books:test", None)
    odd = [TextExample("dull", "odd", "test")]
    with pytest.raises(ValueError, match=r"labels \['odd'\], the preset knows"):
        evaluate.measure(Guesser(), odd, np.zeros(1, bool))


def test_prints_and_keeps_reports(evaluate, data, monkeypatch):
    file = data / "model.tflite"
    file.write_bytes(b"x")
    monkeypatch.setattr(evaluate, "Classifier", lambda *_, **__: Guesser())
    app = evaluate.typer.Typer()
    app.command()(evaluate.main)
    words = ["--data", data, "--preset", file, "--set", "films:test"]
    done = CliRunner().invoke(
        app, [*map(str, words), "--reports", str(data / "reports")]
    )
    assert done.exit_code == 0, done.output
    assert "100.00" in done.output and "films:test" in done.output
    kept = json.loads((data / "reports/report_films_test.json").read_text())
    assert kept["confusion"] == [[2, 0], [0, 2]]
    done = CliRunner().invoke(app, [*map(str, words), "--update-metrics"])
    assert done.exit_code == 2 and "wants a preset" in done.output
