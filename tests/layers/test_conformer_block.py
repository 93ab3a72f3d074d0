import keras
import numpy as np
import pytest

from keras_selfattn.layers.conformer_block import ConformerBlock
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

MASK = prefix_mask([7, 4], 7)


def block(**kwargs):
    arguments = {"num_heads": 2, "intermediate_dim": 12, "kernel_size": 3}
    layer = ConformerBlock(**{**arguments, **kwargs}, name="block")
    layer.build((None, None, 8))
    return draw_weights(layer)


@pytest.mark.parametrize("positions", [None, "rotary", "relative"])
def test_equals_the_reference(positions):
    layer = block(positions=positions)
    inputs = sequences()
    band = np.abs(np.subtract.outer(np.arange(7), np.arange(7))) <= 2
    expected = reference.conformer_block(
        inputs, reference.weights_of(layer), 2, positions, MASK, band
    )
    outputs = layer(inputs, padding_mask=MASK, attention_mask=band)
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=5e-5)


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = block(dtype=policy)
    inputs = sequences()
    expected = reference.conformer_block(
        inputs, reference.weights_of(layer), 2, "relative", MASK
    )
    np.testing.assert_allclose(
        to_numpy(layer(inputs, padding_mask=MASK)),
        expected,
        atol=2 * TOLERANCES[policy],
    )


def test_padding_content_cannot_change_valid_outputs():
    layer = block()
    inputs = sequences()
    clean = to_numpy(layer(inputs, padding_mask=MASK))
    spoilt = to_numpy(layer(spoil(inputs, MASK), padding_mask=MASK))
    np.testing.assert_allclose(spoilt[MASK], clean[MASK], atol=1e-5)
    alone = to_numpy(layer(inputs[1:, :4]))
    np.testing.assert_allclose(clean[1, :4], alone[0], atol=1e-5)


def test_a_row_of_padding_only_stays_finite():
    outputs = block()(sequences(), padding_mask=prefix_mask([7, 0], 7))
    assert np.isfinite(to_numpy(outputs)).all()


@pytest.mark.parametrize("positions", ["rotary", "relative"])
def test_gradients_are_finite_and_reach_every_weight(positions):
    layer = block(positions=positions)
    inputs = sequences()

    def loss():
        outputs = layer(inputs, padding_mask=MASK, training=True)
        return keras.ops.mean(keras.ops.multiply(outputs, inputs) ** 2)

    unused = () if positions == "rotary" else ("key/bias",)
    assert_finite_and_used(layer, loss, unused)


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences()
    calm = to_numpy(block(dropout=0.3)(inputs))
    np.testing.assert_array_equal(to_numpy(block()(inputs)), calm)
    dropped, again, other = (
        to_numpy(block(dropout=0.3, seed=seed)(inputs, training=True))
        for seed in (0, 0, 1)
    )
    assert np.abs(dropped - calm).max() > 0.01
    np.testing.assert_array_equal(again, dropped)
    assert np.abs(other - dropped).max() > 0.01


@pytest.mark.parametrize(
    "change",
    [
        {"num_heads": 4},
        {"intermediate_dim": 16},
        {"kernel_size": 5},
        {"positions": "rotary"},
        {"positions": None},
        {"normalization": "batch"},
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(change):
    inputs = sequences()
    usual = to_numpy(block()(inputs))
    assert np.abs(to_numpy(block(**change)(inputs)) - usual).max() > 1e-3


def test_keras_file_round_trip(tmp_path):
    layer = block(
        positions="rotary", normalization="batch", dropout=0.1, seed=3
    )
    assert_round_trip(layer, tmp_path, inputs=sequences(), padding_mask=MASK)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"kernel_size": 4}, "kernel_size"),
        ({"positions": "absolute"}, "absolute"),
        ({"normalization": "group"}, "group"),
        ({"intermediate_dim": 0}, "intermediate_dim"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        block(**arguments)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = block()
    x, mask = sequences(batch=1), prefix_mask([5], 7)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, padding_mask=mask)), atol=2e-5
    )
