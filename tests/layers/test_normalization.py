import keras
import numpy as np
import pytest

from keras_selfattn.layers.normalization import RMSNorm, make_norm
from tests import reference
from tests.arrays import TOLERANCES, sequences, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend


def norm(**kwargs):
    layer = RMSNorm(name="norm", **kwargs)
    layer.build((None, None, 8))
    return draw_weights(layer)


@pytest.mark.parametrize("epsilon", [1e-6, 0.1])
def test_equals_the_reference(epsilon):
    layer = norm(epsilon=epsilon)
    inputs = sequences()
    expected = reference.rms_norm(
        inputs.astype("float64"), reference.weights_of(layer), epsilon
    )
    np.testing.assert_allclose(to_numpy(layer(inputs)), expected, atol=1e-5)


def test_equals_keras_own():
    layer, theirs = norm(), keras.layers.RMSNormalization(epsilon=1e-6)
    inputs = sequences()
    theirs.build(inputs.shape)
    theirs.set_weights([to_numpy(weight.value) for weight in layer.weights])
    np.testing.assert_allclose(
        to_numpy(layer(inputs)), to_numpy(theirs(inputs)), atol=1e-5
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_narrow_floats_do_not_overflow(policy):
    layer = norm(dtype=policy)
    inputs = 1000 * sequences()
    outputs = layer(inputs)
    assert keras.backend.standardize_dtype(
        outputs.dtype
    ) == policy.removeprefix("mixed_")
    expected = reference.rms_norm(
        inputs.astype("float64"), reference.weights_of(layer)
    )
    np.testing.assert_allclose(
        to_numpy(outputs), expected, atol=TOLERANCES[policy]
    )


def test_the_scale_of_a_position_does_not_matter_but_its_shift_does():
    layer, inputs = norm(), sequences()
    usual = to_numpy(layer(inputs))
    np.testing.assert_allclose(to_numpy(layer(50 * inputs)), usual, atol=1e-5)
    assert np.abs(to_numpy(layer(inputs + 1)) - usual).max() > 0.1


def test_a_position_of_zeros_stays_zero():
    outputs = to_numpy(norm()(np.zeros((1, 3, 8), "float32")))
    np.testing.assert_array_equal(outputs, np.zeros((1, 3, 8)))


def test_gradients_are_finite_and_reach_every_weight():
    layer, inputs = norm(), sequences()
    inputs[0, 2] = 0
    assert_finite_and_used(
        layer, lambda: keras.ops.mean(keras.ops.abs(layer(inputs)))
    )


def test_keras_file_round_trip(tmp_path):
    assert_round_trip(norm(epsilon=0.1), tmp_path, inputs=sequences())


@pytest.mark.parametrize("epsilon", [0, -1e-6])
def test_an_epsilon_that_is_not_positive_is_refused(epsilon):
    with pytest.raises(ValueError, match="epsilon must be positive"):
        RMSNorm(epsilon)


def test_norms_are_made_by_name():
    layer = make_norm("layer", "before", "mixed_float16")
    assert type(layer) is keras.layers.LayerNormalization
    assert (layer.name, layer.epsilon) == ("before", 1e-5)
    assert layer.compute_dtype == "float16"
    layer = make_norm("rms", "after")
    assert (type(layer), layer.name) == (RMSNorm, "after")
    with pytest.raises(ValueError, match="norm='batch' is unknown.*'rms'"):
        make_norm("batch", "norm")


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer, x = norm(), sequences(batch=1)
    np.testing.assert_allclose(
        run_converted(lambda x: layer(x), x=x), to_numpy(layer(x)), atol=1e-5
    )


def test_a_norm_is_made_with_its_own_arguments():
    made = make_norm({"kind": "layer", "epsilon": 0.1, "center": False}, "n")
    assert (made.epsilon, made.center, made.name) == (0.1, False, "n")
    assert make_norm("layer", "n").epsilon == 1e-5
    assert make_norm({"kind": "rms", "epsilon": 0.2}, "n").epsilon == 0.2
    for wrong in ("batch", {"epsilon": 1e-6}, {"kind": "rms", "axis": 1}):
        with pytest.raises(ValueError, match="norm="):
            make_norm(wrong, "n")
