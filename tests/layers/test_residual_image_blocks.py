import keras
import numpy as np
import pytest

from keras_selfattn.layers import ResidualDownBlock, ResidualUpBlock
from keras_selfattn.layers.residual_image_blocks import doubled, halved
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.round_trip import assert_round_trip

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(2, 4, 6, 3)).astype("float32")
CONDITION = RANDOM.normal(size=(2, 2)).astype("float32")


@pytest.mark.backend
def test_doubled_and_halved():
    found = to_numpy(doubled(X))
    np.testing.assert_array_equal(found, X.repeat(2, 1).repeat(2, 2))
    np.testing.assert_allclose(to_numpy(halved(found)), X, atol=1e-6)


@pytest.mark.parametrize(
    "spectral", [False, pytest.param(True, marks=pytest.mark.backend)]
)
def test_up_is_what_its_parts_make(spectral, tmp_path):
    block = ResidualUpBlock(5, spectral, name="block")
    block.build(X.shape, CONDITION.shape)
    draw_weights(block)
    h = np.maximum(to_numpy(block.norm_0(X, CONDITION)), 0)
    h = to_numpy(block.convolution_0(h.repeat(2, 1).repeat(2, 2)))
    h = np.maximum(to_numpy(block.norm_1(h, CONDITION)), 0)
    skip = to_numpy(block.skip(X)).repeat(2, 1).repeat(2, 2)
    expected = skip + to_numpy(block.convolution_1(h))
    found = to_numpy(block(X, CONDITION))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert_round_trip(block, tmp_path, x=X, condition=CONDITION)
    assert_finite_and_used(
        block,
        lambda: keras.ops.mean(keras.ops.square(block(X, CONDITION))),
    )


@pytest.mark.parametrize(
    ("down", "on_pixels"),
    [
        (False, False),
        (True, True),
        pytest.param(True, False, marks=pytest.mark.backend),
    ],
)
def test_down_is_what_its_parts_make(down, on_pixels, tmp_path):
    block = ResidualDownBlock(5, down, on_pixels, True, name="block")
    block.build(X.shape)
    draw_weights(block)
    h = block.convolution_0(X if on_pixels else np.maximum(X, 0))
    h = to_numpy(block.convolution_1(np.maximum(to_numpy(h), 0)))
    expected = h + to_numpy(block.skip(X))
    if down:
        expected = expected.reshape(2, 2, 2, 3, 2, 5).mean((2, 4))
    found = to_numpy(block(X))
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert_round_trip(block, tmp_path, x=X)


def test_bad_filters_are_named():
    with pytest.raises(ValueError, match="filters must be an int >= 1"):
        ResidualUpBlock(0)
