import itertools

import keras
import numpy as np
import pytest

from keras_selfattn.losses.ctc import ctc_loss, required_frames
from tests.arrays import to_numpy
from tests.gradients import gradients

pytestmark = pytest.mark.backend

FRAMES, VOCABULARY = 5, 4


def random_logits(batch, seed=0):
    shape = (batch, FRAMES, VOCABULARY)
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def collapsed(path):
    """The labels a path stands for: repeats merged, then blanks dropped."""
    return [label for label, _ in itertools.groupby(path) if label]


def brute_force(labels, logits):
    """Negative log of the probabilities' sum over every path, float64."""
    logits = np.asarray(logits, "float64")
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = exponentials / exponentials.sum(axis=1, keepdims=True)
    total = sum(
        np.prod([p[t, label] for t, label in enumerate(path)])
        for path in itertools.product(range(VOCABULARY), repeat=len(p))
        if collapsed(path) == list(labels)
    )
    return -np.log(total)


def padded(rows, width=FRAMES):
    return np.array([[*row, *[0] * (width - len(row))] for row in rows])


def test_equals_the_sum_over_all_paths():
    labels = [[1], [1, 2], [2, 2], [3, 1, 3], [1, 1, 1], [2, 3, 1, 2]]
    lengths = [5, 5, 4, 3, 5, 4]
    logits = random_logits(len(labels))
    found = ctc_loss(padded(labels), logits, np.array(lengths))
    expected = [
        brute_force(row, values[:length])
        for row, values, length in zip(labels, logits, lengths, strict=True)
    ]
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(found), expected, rtol=2e-5)


def test_frames_after_the_length_and_more_padding_cannot_change_it():
    logits = random_logits(2)
    labels, lengths = [[1, 2], [3]], np.array([4, 2])
    clean = to_numpy(ctc_loss(padded(labels, 2), logits, lengths))
    spoilt = logits.copy()
    spoilt[0, 4:], spoilt[1, 2:] = 1e3, -1e3
    again = to_numpy(ctc_loss(padded(labels, 4), spoilt, lengths))
    np.testing.assert_allclose(again, clean, rtol=1e-5)


def test_required_frames_counts_labels_and_repeats():
    labels = padded([[1, 2, 3], [1, 1, 1], [2, 2, 1, 1], []])
    assert to_numpy(required_frames(labels)).tolist() == [3, 5, 6, 0]


def test_rows_that_no_path_fits_cost_nothing_and_spoil_nothing():
    labels = [[1, 2], [1, 2, 3], [1, 1, 1], [], [2]]
    lengths = np.array([5, 2, 4, 5, 0])
    logits = keras.Variable(random_logits(len(labels)))
    losses = to_numpy(ctc_loss(padded(labels), logits.value, lengths))
    expected = brute_force([1, 2], to_numpy(logits.value)[0])
    np.testing.assert_allclose(losses, [expected, 0, 0, 0, 0], rtol=2e-5)
    _, (gradient,) = gradients(
        lambda: keras.ops.sum(ctc_loss(padded(labels), logits.value, lengths)),
        [logits],
    )
    assert np.isfinite(gradient).all()
    assert np.abs(gradient[0]).max() > 0.01
    assert not gradient[1:].any()


def test_gradients_equal_finite_differences_of_the_sum_over_paths():
    labels, lengths = [[1, 2], [2, 2]], np.array([5, 4])
    values = random_logits(2)
    logits = keras.Variable(values)
    _, (gradient,) = gradients(
        lambda: keras.ops.sum(ctc_loss(padded(labels), logits.value, lengths)),
        [logits],
    )
    step = 1e-5
    for row, t, v in [(0, 0, 1), (0, 4, 0), (1, 2, 2), (1, 3, 3), (1, 4, 2)]:
        sides = []
        for sign in (1, -1):
            moved = values[row].astype("float64")
            moved[t, v] += sign * step
            sides.append(brute_force(labels[row], moved[: lengths[row]]))
        slope = (sides[0] - sides[1]) / (2 * step)
        np.testing.assert_allclose(gradient[row, t, v], slope, atol=1e-4)


def test_half_precision_logits_are_computed_in_float32():
    logits = random_logits(1).astype("float16")
    found = ctc_loss(padded([[1, 2]]), logits, np.array([5]))
    np.testing.assert_allclose(
        to_numpy(found), [brute_force([1, 2], logits[0])], rtol=1e-4
    )
