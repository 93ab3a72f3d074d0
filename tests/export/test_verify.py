from collections import Counter

import numpy as np
import pytest

from keras_selfattn.export.lint import Finding
from keras_selfattn.export.signature import Signature
from keras_selfattn.export.verify import (
    Agreement,
    Report,
    compare,
    inspect,
    verify,
)

SCORES = np.log(np.full((6, 4), 0.25, "float32"))
EMITTED = np.array([1, 0, 0, 2, 0, 3], "int32")


def signature(*names, **options):
    return Signature("say", {}, dict.fromkeys(names), "frames agree", **options)


DECIDING = signature("token_ids", "log_probabilities", decisions="token_ids")


def telling(*outputs):
    """A reference that gives these, one after the other."""
    told = iter(outputs)
    return lambda example: next(told)


def said(token_ids=EMITTED, log_probabilities=SCORES):
    return {"token_ids": token_ids, "log_probabilities": log_probabilities}


def test_compare_counts_decisions_and_takes_the_largest_difference():
    wrong = EMITTED.copy()
    wrong[3] = 1
    shifted = SCORES.copy()
    shifted[2, 1] += 0.25
    found = compare(
        DECIDING,
        telling(said(), said()),
        [{}, {}],
        [said(), said(wrong, shifted)],
    )
    assert (found.equal, found.compared) == (11, 12)
    assert found.max_abs_difference == pytest.approx(0.25, abs=1e-5)
    assert str(found) == (
        "11 of 12 frames agree (log-probabilities within 0.25)"
    )


def test_without_decisions_the_likeliest_classes_are_compared():
    scores = {"log_probabilities": np.log(np.array([0.2, 0.8]))}
    other = {"log_probabilities": np.log(np.array([0.8, 0.2]))}
    found = compare(
        signature("log_probabilities"),
        telling(scores, scores),
        [{}, {}],
        [scores, other],
    )
    assert found[:2] == (1, 2)


def test_decisions_alone_have_no_difference():
    ids = {"token_ids": EMITTED}
    found = compare(
        signature("token_ids", decisions="token_ids"),
        telling(ids),
        [{}],
        [ids],
    )
    assert found == Agreement(6, 6, None, "frames agree")


def test_compare_does_not_lose_a_nan():
    broken = SCORES.copy()
    broken[0, 0] = np.nan
    found = compare(
        DECIDING,
        telling(said(), said()),
        [{}, {}],
        [said(EMITTED, broken), said()],
    )
    assert np.isnan(found.max_abs_difference)


def test_compare_refuses_another_shape():
    with pytest.raises(ValueError, match=r"\(5,\) where Keras gives \(6,\)"):
        compare(DECIDING, telling(said()), [{}], [said(EMITTED[:5])])


def test_a_report_in_words():
    report = Report(
        "asr.tflite",
        9_876_543,
        "dynamic",
        Counter(ADD=2),
        [Finding("FlexRoll", "flex", "model/encoder")],
        98,
        100,
        "frames emit what Keras emits",
        0.0321,
        0.0056,
        "10 s of sound",
    )
    assert str(report) == (
        "asr.tflite: 9.88 MB (quantize=dynamic); 2 operators, flex operator "
        "FlexRoll in model/encoder; 98 of 100 frames emit what Keras emits "
        "(log-probabilities within 0.032); 5.60 ms for 10 s of sound"
    )
    assert "Keras" not in str(Report("a", 1, "none", Counter(ADD=1)))
    of_parts = {
        "stream": Agreement(3, 4, 0.5, "frames agree"),
        "encode": Agreement(2, 2, None),
    }
    assert str(Report("a", 1, "none", parts=of_parts)).endswith(
        "; stream: 3 of 4 frames agree (log-probabilities within 0.5); "
        "encode: 2 of 2 decide as Keras"
    )


@pytest.mark.slow
def test_inspect_counts_without_running(exported):
    path, report, _ = exported("none")
    found = inspect(path, "none")
    assert found.ops == report.ops
    assert found.ops["FULLY_CONNECTED"] > 10
    assert found.ops["TOPK_V2"] == 1
    assert found.compared == 0
    assert found.max_abs_difference is None


@pytest.mark.slow
def test_verify_sees_that_weights_differ(exported, task):
    import keras

    path = exported("none")[0]
    examples = task.export_probes()[2:3]
    assert verify(task, path, examples).max_abs_difference < 1e-4
    bias = task.head.bias
    before = keras.ops.convert_to_numpy(bias.value).copy()
    try:
        bias.assign(before + np.linspace(0, 3, len(before)))
        report = verify(task, path, examples)
    finally:
        bias.assign(before)
    assert report.max_abs_difference > 1
    assert report.equal < report.compared
