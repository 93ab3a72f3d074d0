import keras
import numpy as np
import pytest

from keras_selfattn.layers.convolutional_subsampling import (
    ConvolutionalSubsampling,
)
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

LENGTH = 9
MASK = prefix_mask([9, 6], LENGTH)


def subsampling(strides=(2, 2), **kwargs):
    layer = ConvolutionalSubsampling(4, strides, name="sub", **kwargs)
    layer.build((None, None, 8))
    return draw_weights(layer)


@pytest.mark.parametrize("strides", [(2, 2), (1, 2), (1,), (3,), (2, 1, 2)])
def test_equals_the_reference(strides):
    layer = subsampling(strides)
    inputs = sequences(length=LENGTH)
    expected, mask = reference.subsampling(
        inputs, reference.weights_of(layer), strides, MASK
    )
    outputs, found = layer(inputs, MASK)
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=2e-5)
    np.testing.assert_array_equal(to_numpy(found), mask)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = subsampling(dtype=policy)
    inputs = sequences(length=LENGTH)
    expected, _ = reference.subsampling(
        inputs, reference.weights_of(layer), (2, 2), MASK
    )
    np.testing.assert_allclose(
        to_numpy(layer(inputs, MASK)[0]), expected, atol=TOLERANCES[policy]
    )


def test_masks_as_literal_matrix():
    _, mask = subsampling()(sequences(length=LENGTH), MASK)
    assert to_numpy(mask).tolist() == [
        [True, True, True],
        [True, True, False],
    ]


@pytest.mark.parametrize("strides", [(1, 2), (3, 2)])
def test_output_length_is_the_length_that_comes_out(strides):
    layer = subsampling(strides)
    for length in (1, 4, 6):
        outputs, mask = layer(
            sequences(length=length), prefix_mask([length, 1], length)
        )
        assert to_numpy(outputs).shape[1] == layer.output_length(length)
        assert to_numpy(mask).sum(axis=1).tolist() == [
            layer.output_length(length),
            1,
        ]


def test_without_a_mask_every_frame_is_real():
    layer = subsampling()
    inputs = sequences(length=LENGTH)
    outputs, mask = layer(inputs)
    assert to_numpy(mask).tolist() == [[True] * 3] * 2
    expected, _ = layer(inputs, np.ones_like(MASK))
    np.testing.assert_allclose(to_numpy(outputs), to_numpy(expected), atol=1e-6)


@pytest.mark.parametrize("strides", [(2, 2), (1, 2)])
def test_padding_content_cannot_change_valid_outputs(strides):
    layer = subsampling(strides)
    inputs = sequences(length=LENGTH)
    clean, mask = layer(inputs, MASK)
    spoilt, _ = layer(spoil(inputs, MASK), MASK)
    mask = to_numpy(mask)
    np.testing.assert_allclose(
        to_numpy(spoilt)[mask], to_numpy(clean)[mask], atol=1e-6
    )
    alone, _ = layer(inputs[1:, :6])
    np.testing.assert_allclose(
        to_numpy(clean)[1, mask[1]], to_numpy(alone)[0], atol=1e-5
    )


def test_gradients_are_finite_and_reach_every_weight():
    layer = subsampling()
    inputs = sequences(length=LENGTH)
    assert_finite_and_used(
        layer,
        lambda: keras.ops.mean(keras.ops.square(layer(inputs, MASK)[0])),
    )


def test_each_parameter_changes_the_outputs():
    inputs = sequences(length=LENGTH)
    usual = to_numpy(subsampling()(inputs)[0])
    tanh = to_numpy(subsampling(activation="tanh")(inputs)[0])
    assert np.abs(tanh - usual).max() > 1e-2
    wide = ConvolutionalSubsampling(6)(inputs)[0]
    assert to_numpy(wide).shape == (2, 3, 6)
    long = subsampling((1, 2))(inputs)[0]
    assert to_numpy(long).shape == (2, 5, 4)


def test_keras_file_round_trip(tmp_path):
    layer = subsampling((1, 2), activation="relu")
    inputs = sequences(length=LENGTH)
    assert_round_trip(layer, tmp_path, inputs=inputs, padding_mask=MASK)
    assert_round_trip(layer, tmp_path, inputs=inputs)


@pytest.mark.parametrize("strides", [(), (2, 0), (2.0,), (-1,)])
def test_wrong_strides_are_refused(strides):
    with pytest.raises(ValueError, match="positive ints"):
        ConvolutionalSubsampling(4, strides)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = subsampling()
    x, mask = sequences(batch=1, length=LENGTH), prefix_mask([6], LENGTH)
    found = run_converted(lambda x, mask: layer(x, mask)[0], x=x, mask=mask)
    np.testing.assert_allclose(found, to_numpy(layer(x, mask)[0]), atol=1e-5)


@pytest.mark.parametrize("strides", [(2, 2), (1, 2), (3,), (1, 1, 2)])
def test_causal_frames_depend_on_nothing_behind_what_they_take(strides):
    layer = subsampling(strides, padding="causal")
    whole = int(np.prod(strides))
    inputs = sequences(length=4 * whole)
    usual = to_numpy(layer(inputs)[0])
    changed = inputs.copy()
    changed[:, 2 * whole :] += 1.0
    moved = np.abs(to_numpy(layer(changed)[0]) - usual).max(axis=(0, 2))
    assert (moved > 1e-4).tolist() == [False, False, True, True]


def test_causal_frames_are_the_usual_ones_a_frame_later():
    inputs = sequences(length=LENGTH)
    later = np.pad(inputs, ((0, 0), (1, 0), (0, 0)))
    usual, _ = subsampling((1, 2))(later)
    found, _ = subsampling((1, 2), padding="causal")(inputs)
    # At the ends, a zero frame is no frame of zeros that has passed a bias.
    np.testing.assert_allclose(
        to_numpy(found)[:, 2:4], to_numpy(usual)[:, 2:4], atol=1e-5
    )
    same, _ = subsampling((2, 2))(inputs)
    causal, _ = subsampling((2, 2), padding="causal")(inputs)
    np.testing.assert_array_equal(to_numpy(causal), to_numpy(same))


def test_an_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="padding='valid' is unknown"):
        ConvolutionalSubsampling(4, padding="valid")
