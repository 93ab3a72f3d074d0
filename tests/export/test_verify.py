from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn.export.lint import Finding
from keras_selfattn.export.signature import Signature
from keras_selfattn.export.verify import Report, compare, inspect, verify

SCORES = np.log(np.full((6, 4), 0.25, "float32"))
EMITTED = np.array([1, 0, 0, 2, 0, 3], "int32")


def task_that_says(*outputs, **options):
    """A task whose references are these, one after the other."""
    told = iter(outputs)
    signature = Signature(
        "say",
        {},
        {name: "" for name in outputs[0]},
        "frames are equal",
        **options,
    )
    return SimpleNamespace(
        export_signature=lambda: signature,
        reference_outputs=lambda example: next(told),
        compare_parts=lambda opened: None,
    )


def said(token_ids=EMITTED, log_probabilities=SCORES):
    return {"token_ids": token_ids, "log_probabilities": log_probabilities}


def test_compare_counts_decisions_and_takes_the_largest_difference():
    wrong = EMITTED.copy()
    wrong[3] = 1
    shifted = SCORES.copy()
    shifted[2, 1] += 0.25
    equal, compared, difference = compare(
        task_that_says(said(), said(), decisions="token_ids"),
        [{}, {}],
        [said(), said(wrong, shifted)],
    )
    assert (equal, compared) == (11, 12)
    assert difference == pytest.approx(0.25, abs=1e-5)


def test_without_decisions_the_likeliest_classes_are_compared():
    scores = {"log_probabilities": np.log(np.array([0.2, 0.8]))}
    other = {"log_probabilities": np.log(np.array([0.8, 0.2]))}
    task = task_that_says(scores, scores)
    assert compare(task, [{}, {}], [scores, other])[:2] == (1, 2)


def test_compare_does_not_lose_a_nan():
    broken = SCORES.copy()
    broken[0, 0] = np.nan
    task = task_that_says(said(), said(), decisions="token_ids")
    outputs = [said(EMITTED, broken), said()]
    assert np.isnan(compare(task, [{}, {}], outputs)[2])


def test_compare_takes_another_reference():
    task = task_that_says(said(), decisions="token_ids")
    other = said(np.zeros_like(EMITTED), SCORES + 1)
    assert compare(task, [{}], [other], lambda example: other) == (6, 6, 0)


def test_compare_refuses_another_shape():
    task = task_that_says(said(), decisions="token_ids")
    with pytest.raises(ValueError, match=r"\(5,\) where Keras gives \(6,\)"):
        compare(task, [{}], [said(EMITTED[:5])])


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
    of_parts = {"stream": (3, 4, 0.5), "encode": (2, 2, None)}
    assert str(Report("a", 1, "none", parts=of_parts)).endswith(
        "; stream: 3 of 4 decide as Keras (log-probabilities within 0.5); "
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
