import keras
import numpy as np
import pytest

from keras_selfattn.layers.convolution_module import ConvolutionModule
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

MASK = prefix_mask([7, 4], 7)
each_norm = pytest.mark.parametrize("normalization", ["layer", "batch"])


def module(kernel_size=3, *args, **kwargs):
    layer = ConvolutionModule(kernel_size, *args, name="conv", **kwargs)
    layer.build((None, None, 8))
    return draw_weights(layer)


def expected_of(layer, inputs, mask=MASK):
    return reference.convolution_module(
        inputs.astype("float64"),
        reference.weights_of(layer),
        mask,
        layer.normalization,
    )


@each_norm
@pytest.mark.parametrize("kernel_size", [1, 3, 15])
def test_equals_the_reference(normalization, kernel_size):
    layer = module(kernel_size, normalization)
    inputs = sequences()
    np.testing.assert_allclose(
        to_numpy(layer(inputs, padding_mask=MASK)),
        expected_of(layer, inputs),
        atol=2e-5,
    )


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = module(dtype=policy)
    inputs = sequences()
    np.testing.assert_allclose(
        to_numpy(layer(inputs, padding_mask=MASK)),
        expected_of(layer, inputs),
        atol=TOLERANCES[policy],
    )


def test_no_mask_means_no_padding():
    layer = module()
    inputs = sequences()
    np.testing.assert_allclose(
        to_numpy(layer(inputs)),
        expected_of(layer, inputs, np.ones_like(MASK)),
        atol=2e-5,
    )


@each_norm
@pytest.mark.parametrize("training", [False, True])
def test_padding_content_cannot_change_valid_outputs(normalization, training):
    inputs = sequences()
    clean, spoilt = (
        to_numpy(
            module(5, normalization)(
                values, padding_mask=MASK, training=training
            )
        )
        for values in (inputs, spoil(inputs, MASK))
    )
    np.testing.assert_allclose(spoilt[MASK], clean[MASK], atol=1e-5)


def test_batch_statistics_leave_padding_out():
    means = []
    for value in (0.0, 50.0):
        layer = module(5, "batch")
        inputs = spoil(sequences(), MASK, value)
        layer(inputs, padding_mask=MASK, training=True)
        means.append(to_numpy(layer.norm.moving_mean.value))
    np.testing.assert_allclose(means[0], means[1], atol=1e-6)


def test_reaches_half_a_kernel_to_either_side():
    layer = module(5)
    inputs = sequences(length=9)
    changed = inputs.copy()
    changed[:, 4] += 1.0
    moved = np.abs(to_numpy(layer(changed)) - to_numpy(layer(inputs)))
    reached = moved.max(axis=(0, 2)) > 1e-6
    assert reached.tolist() == [False] * 2 + [True] * 5 + [False] * 2


@each_norm
def test_gradients_are_finite_and_reach_every_weight(normalization):
    layer = module(3, normalization)
    inputs = sequences()

    def loss():
        outputs = layer(inputs, padding_mask=MASK, training=True)
        return keras.ops.mean(keras.ops.square(outputs))

    # A constant under a batch norm is taken away again.
    unused = () if normalization == "layer" else ("depthwise/bias",)
    assert_finite_and_used(layer, loss, unused)


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences()
    calm = to_numpy(module(dropout=0.5)(inputs))
    np.testing.assert_array_equal(to_numpy(module()(inputs)), calm)
    dropped, again, other = (
        to_numpy(module(dropout=0.5, seed=seed)(inputs, training=True))
        for seed in (0, 0, 1)
    )
    assert (dropped == 0).any()
    np.testing.assert_array_equal(again, dropped)
    assert np.abs(other - dropped).max() > 0


def test_each_parameter_changes_the_outputs():
    inputs = sequences()
    usual = to_numpy(module()(inputs))
    for change in ({"kernel_size": 5}, {"normalization": "batch"}):
        changed = to_numpy(module(**change)(inputs))
        assert np.abs(changed - usual).max() > 1e-2, change


@each_norm
def test_keras_file_round_trip(normalization, tmp_path):
    layer = module(5, normalization, 0.1, 5)
    assert_round_trip(layer, tmp_path, inputs=sequences(), padding_mask=MASK)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"kernel_size": 4}, "4"),
        ({"kernel_size": 3.0}, "3.0"),
        ({"normalization": "group"}, "group"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        ConvolutionModule(**arguments)


@needs_tensorflow
@each_norm
def test_converts_to_built_in_operations(normalization):
    layer = module(5, normalization)
    x, mask = sequences(batch=1), prefix_mask([5], 7)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, padding_mask=mask)), atol=1e-5
    )


@pytest.mark.slow
@each_norm
@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_chunk_is_what_it_is_where_nothing_follows(size, normalization):
    layer = module(5, normalization)
    inputs = sequences()
    found = to_numpy(layer(inputs, MASK, chunk_size=size))
    for start in range(0, 7, size):
        stop = start + size
        alone = to_numpy(layer(inputs[:, :stop], MASK[:, :stop]))
        np.testing.assert_allclose(
            found[:, start:stop], alone[:, start:], atol=1e-5
        )
    if size < 7:
        usual = to_numpy(layer(inputs, MASK))
        assert np.abs(usual - found).max() > 1e-2


def test_a_chunk_size_may_be_a_tensor_and_spoils_no_gradient():
    layer = module(5)
    inputs = sequences()
    size = keras.ops.convert_to_tensor(3, dtype="int32")
    np.testing.assert_allclose(
        to_numpy(layer(inputs, MASK, chunk_size=size)),
        to_numpy(layer(inputs, MASK, chunk_size=3)),
        atol=1e-6,
    )

    def loss():
        outputs = layer(inputs, MASK, chunk_size=size, training=True)
        return keras.ops.mean(keras.ops.square(outputs))

    assert_finite_and_used(layer, loss, ())
