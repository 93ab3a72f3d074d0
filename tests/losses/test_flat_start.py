import numpy as np

from keras_selfattn.losses.flat_start import flat_start_loss
from tests.arrays import to_numpy


def test_labels_are_spread_evenly_over_the_valid_frames():
    logits = np.random.default_rng(0).normal(size=(3, 7, 5)).astype("float32")
    labels = np.array([[1, 2, 3], [4, 2, 0], [0, 0, 0]], "int32")
    lengths = np.array([7, 4, 6], "int32")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    # floor(t U / T): 7 frames of 3 labels, 4 frames of 2.
    paths = [[1, 1, 1, 2, 2, 3, 3], [4, 4, 2, 2]]
    expected = [
        -np.mean([log_p[i, t, k] for t, k in enumerate(path)]) * count
        for i, (path, count) in enumerate(zip(paths, (3, 2)))
    ]
    found = to_numpy(flat_start_loss(labels, logits, lengths))
    np.testing.assert_allclose(found, [*expected, 0.0], rtol=1e-5)
    spoilt = logits.copy()
    spoilt[1, 4:] = 50.0
    np.testing.assert_allclose(
        to_numpy(flat_start_loss(labels, spoilt, lengths)), found, rtol=1e-6
    )


def test_quiet_frames_at_the_ends_are_blank():
    logits = np.random.default_rng(0).normal(size=(2, 8, 5)).astype("float32")
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    labels = np.array([[1, 2], [3, 4]], "int32")
    # Loud from frame 2 to 6, with a pause; and nothing louder than the rest.
    energy = np.array([[-9, -9, 0, -9, 0, 0, 0, 99], [5] * 8], "float32")
    lengths = np.array([7, 8], "int32")
    paths = [[0, 0, 1, 1, 1, 2, 2], [3, 3, 3, 3, 4, 4, 4, 4]]
    expected = [
        -np.mean([log_p[i, t, k] for t, k in enumerate(path)]) * 2
        for i, path in enumerate(paths)
    ]
    found = to_numpy(flat_start_loss(labels, logits, lengths, energy))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
