from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn.export.lint import Finding
from keras_selfattn.export.verify import (
    Report,
    compare,
    inspect,
    probe_waveforms,
    verify,
)


def log_probabilities(ids, vocabulary_size=4):
    logits = np.zeros((len(ids), vocabulary_size), "float32")
    logits[np.arange(len(ids)), ids] = 5
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def task_that_says(*rows):
    return SimpleNamespace(
        frame_log_probabilities=lambda waveforms, batch_size: list(rows)
    )


SCORES = log_probabilities([1, 1, 0, 2, 2, 3])
EMITTED = np.array([1, 0, 0, 2, 0, 3], "int32")


def test_compare_counts_frames_and_takes_the_largest_difference():
    wrong = EMITTED.copy()
    wrong[3] = 1
    shifted = SCORES.copy()
    shifted[2, 1] += 0.25
    outputs = [(EMITTED, SCORES), (wrong, shifted)]
    equal, compared, difference = compare(
        task_that_says(SCORES, SCORES), [None, None], outputs
    )
    assert (equal, compared) == (11, 12)
    assert difference == pytest.approx(0.25, abs=1e-5)


def test_compare_does_not_lose_a_nan():
    broken = SCORES.copy()
    broken[0, 0] = np.nan
    outputs = [(EMITTED, broken), (EMITTED, SCORES)]
    difference = compare(task_that_says(SCORES, SCORES), [None, None], outputs)[
        2
    ]
    assert np.isnan(difference)


def test_compare_refuses_another_number_of_frames():
    with pytest.raises(ValueError, match=r"\(5, 4\) where Keras gives \(6"):
        compare(task_that_says(SCORES), [None], [(EMITTED[:5], SCORES[:5])])


def test_probe_waveforms_are_awkward_and_repeatable():
    waveforms = probe_waveforms(16000, 1600)
    assert [len(w) for w in waveforms] == [1600, 1601, 16000, 16001, 48123]
    for one, again in zip(waveforms, probe_waveforms(16000, 1600)):
        assert one.dtype == np.float32
        assert 0.01 < np.abs(one).max() < 1
        np.testing.assert_array_equal(one, again)


def test_a_report_in_words():
    report = Report(
        "asr.tflite",
        9_876_543,
        "dynamic",
        Counter(ADD=2),
        [Finding("FlexRoll", "flex", "model/encoder")],
        98,
        100,
        0.0321,
        0.0056,
    )
    assert str(report) == (
        "asr.tflite: 9.88 MB (quantize=dynamic); 2 operators, flex operator "
        "FlexRoll in model/encoder; 98 of 100 frames emit what Keras emits "
        "(log-probabilities within 0.032); real-time factor 0.0056"
    )
    assert "Keras" not in str(Report("a", 1, "none", Counter(ADD=1)))


@pytest.mark.slow
def test_inspect_counts_without_running(exported):
    path, report, _ = exported("none")
    found = inspect(path, "none")
    assert found.ops == report.ops
    assert found.ops["FULLY_CONNECTED"] > 10
    assert found.ops["TOPK_V2"] == 1
    assert found.tokens_compared == 0
    assert found.max_abs_logit_difference is None


@pytest.mark.slow
def test_verify_sees_that_weights_differ(exported, task):
    import keras

    path = exported("none")[0]
    waveforms = probe_waveforms(16000, 1600)[2:3]
    assert verify(task, path, waveforms).max_abs_logit_difference < 1e-4
    bias = task.head.bias
    before = keras.ops.convert_to_numpy(bias.value).copy()
    try:
        bias.assign(before + np.linspace(0, 3, len(before)))
        report = verify(task, path, waveforms)
    finally:
        bias.assign(before)
    assert report.max_abs_logit_difference > 1
    assert report.tokens_equal < report.tokens_compared
