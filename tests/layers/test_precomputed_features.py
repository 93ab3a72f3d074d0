"""Features from elsewhere: slopes and normalisation against NumPy."""

import numpy as np
import pytest

from keras_selfattn.layers.precomputed_features import PrecomputedFeatures
from tests.arrays import prefix_mask, to_numpy
from tests.round_trip import assert_round_trip

LENGTHS = np.array([9, 4], "int32")


def frames():
    x = np.random.default_rng(0).normal(3.0, 2.0, size=(2, 9, 3))
    return x.astype("float32")


def slopes(x):
    """As the HTK book has it, frame by frame, edges repeated; `(T, C)`."""
    padded = np.concatenate([x[:1], x[:1], x, x[-1:], x[-1:]])
    return np.array(
        [
            sum(n * (padded[t + 2 + n] - padded[t + 2 - n]) for n in (1, 2))
            / 10.0
            for t in range(len(x))
        ]
    )


@pytest.mark.backend
@pytest.mark.parametrize("normalize", [True, False])
def test_equals_numpy_whatever_stands_in_padding(normalize):
    layer = PrecomputedFeatures(3, normalize=normalize)
    x = frames()
    x[1, 4:] = np.nan
    found, mask = map(to_numpy, layer(x, LENGTHS))
    np.testing.assert_array_equal(mask, prefix_mask(LENGTHS, 9))
    for row, length in enumerate(LENGTHS):
        valid = x[row, :length].astype("float64")
        first = slopes(valid)
        whole = np.concatenate([valid, first, slopes(first)], axis=1)
        if normalize:
            whole = whole - whole.mean(axis=0)
            whole = whole / np.sqrt(whole.var(axis=0) + 1e-5)
        np.testing.assert_allclose(found[row, :length], whole, atol=2e-5)
        assert not found[row, length:].any()


def test_all_frames_are_valid_where_nothing_is_said():
    layer = PrecomputedFeatures(3, delta_order=0)
    found, mask = map(to_numpy, layer(frames()))
    assert found.shape == (2, 9, 3) and mask.all()
    assert layer.feature_dim == 3
    assert layer.sample_shape == (3,)


def test_round_trip(tmp_path):
    layer = PrecomputedFeatures(
        3, 50, delta_order=1, delta_reach=1, normalize=False, name="frontend"
    )
    assert_round_trip(layer, tmp_path, samples=frames(), num_samples=LENGTHS)


def test_numbers_out_of_their_range_are_named():
    for options in ({"num_features": 0}, {"delta_order": 3}):
        with pytest.raises(ValueError, match="expected"):
            PrecomputedFeatures(**options)
