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
