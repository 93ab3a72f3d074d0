import keras
import numpy as np
import pytest

from keras_selfattn.layers.feed_forward import FeedForward
from tests import reference
from tests.arrays import TOLERANCES, sequences, to_numpy
from tests.fixed_weights import draw_weights, relative_path
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend


def feed_forward(intermediate_dim=12, *args, **kwargs):
    layer = FeedForward(intermediate_dim, *args, name="ff", **kwargs)
    layer.build((None, None, 8))
    return draw_weights(layer)


EVERY_GATE = ["glu", "bilinear", "reglu", "geglu", "geglu_new", "swiglu"]


@pytest.mark.parametrize(
    "activation", ["relu", "gelu", "gelu_new", "silu", *EVERY_GATE]
)
def test_equals_the_reference(activation):
    layer = feed_forward(12, activation)
    inputs = sequences()
    expected = reference.feed_forward(
        inputs, reference.weights_of(layer), activation
    )
    np.testing.assert_allclose(to_numpy(layer(inputs)), expected, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("activation", ["relu", "swiglu"])
def test_equals_the_reference_in_narrow_floats(activation, policy):
    layer = feed_forward(12, activation, dtype=policy)
    inputs = sequences()
    expected = reference.feed_forward(
        inputs, reference.weights_of(layer), activation
    )
    np.testing.assert_allclose(
        to_numpy(layer(inputs)), expected, atol=TOLERANCES[policy]
    )


def test_a_position_depends_on_itself_only():
    layer = feed_forward()
    inputs = sequences()
    whole = to_numpy(layer(inputs))
    alone = to_numpy(layer(inputs[:, 3:4]))
    np.testing.assert_allclose(whole[:, 3:4], alone, atol=1e-5)


def test_a_gate_adds_one_matrix_and_leaves_the_others_their_names():
    def paths(layer):
        return {relative_path(layer, weight) for weight in layer.weights}

    plain = {
        f"{name}/{kind}"
        for name in ("expand", "contract")
        for kind in ("kernel", "bias")
    }
    gate = {"gate/kernel", "gate/bias"}
    assert paths(feed_forward()) == plain
    assert paths(feed_forward(12, "swiglu")) == plain | gate
    assert paths(feed_forward(12, "swiglu", use_bias=False)) == {
        path for path in plain | gate if path.endswith("kernel")
    }


def test_a_closed_gate_lets_nothing_through():
    layer = feed_forward(12, "reglu")
    layer.gate.kernel.assign(np.zeros((8, 12)))
    layer.gate.bias.assign(-np.ones(12))
    outputs = to_numpy(layer(sequences()))
    bias = to_numpy(layer.contract.bias.value)
    np.testing.assert_allclose(
        outputs, np.broadcast_to(bias, (2, 7, 8)), atol=1e-6
    )


@pytest.mark.parametrize("activation", ["gelu", "geglu"])
def test_gradients_are_finite_and_reach_every_weight(activation):
    layer = feed_forward(12, activation)
    inputs = sequences()
    assert_finite_and_used(
        layer, lambda: keras.ops.mean(keras.ops.square(layer(inputs)))
    )


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences()
    calm = to_numpy(feed_forward(dropout=0.5)(inputs))
    np.testing.assert_array_equal(to_numpy(feed_forward()(inputs)), calm)
    dropped, again, other = (
        to_numpy(feed_forward(dropout=0.5, seed=seed)(inputs, training=True))
        for seed in (0, 0, 1)
    )
    assert np.abs(dropped - calm).max() > 0.01
    np.testing.assert_array_equal(again, dropped)
    assert np.abs(other - dropped).max() > 0


def test_each_parameter_changes_the_outputs():
    inputs = sequences()
    usual = to_numpy(feed_forward()(inputs))
    for change in (
        {"intermediate_dim": 16},
        {"activation": "gelu"},
        {"use_bias": False},
        *({"activation": gate} for gate in EVERY_GATE),
    ):
        changed = to_numpy(feed_forward(**change)(inputs))
        assert np.abs(changed - usual).max() > 1e-2, change


@pytest.mark.parametrize("activation", ["silu", "swiglu"])
def test_keras_file_round_trip(activation, tmp_path):
    layer = feed_forward(12, activation, 0.1, 5, use_bias=False)
    assert_round_trip(layer, tmp_path, inputs=sequences())


@pytest.mark.parametrize("dim", [0, -3, 2.5, None])
def test_a_wrong_intermediate_dim_is_refused(dim):
    with pytest.raises(ValueError, match=str(dim)):
        FeedForward(dim)


@needs_tensorflow
@pytest.mark.parametrize("activation", ["gelu", "swiglu"])
def test_converts_to_built_in_operations(activation):
    layer = feed_forward(12, activation)
    x = sequences(batch=1)
    np.testing.assert_allclose(
        run_converted(lambda x: layer(x), x=x), to_numpy(layer(x)), atol=1e-5
    )
