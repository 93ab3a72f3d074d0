import keras
import numpy as np
import pytest

from keras_selfattn.layers.low_rank_attention import LowRankSelfAttention
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights, relative_path
from tests.gradients import assert_finite_and_used
from tests.intermediates import largest_intermediate
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

MASK = prefix_mask([7, 4], 7)


def low_rank(rank=3, max_sequence_length=9, num_heads=2, **kwargs):
    layer = LowRankSelfAttention(
        num_heads, rank, max_sequence_length, name="attention", **kwargs
    )
    layer.build((None, None, 8))
    return draw_weights(layer)


def linformer(x, w, num_heads, mask=None):
    """Row by row over the real positions only: outputs, weights."""
    x = np.asarray(x, "float64")
    batch, length, _ = x.shape
    query, key, value = (
        reference.dense(x, reference.below(w, name))
        for name in ("query", "key", "value")
    )
    mixtures = w["key_mixture"], w.get("value_mixture", w["key_mixture"])
    rank, size = mixtures[0].shape[1], query.shape[-1] // num_heads
    mixed = np.zeros((batch, length, query.shape[-1]))
    weights = np.zeros((batch, num_heads, length, rank))
    for b in range(batch):
        real = slice(None) if mask is None else np.flatnonzero(mask[b])
        keys, values = (
            mixture[:length][real].T @ made[b, real]
            for mixture, made in zip(mixtures, (key, value), strict=True)
        )
        for n in range(num_heads):
            part = slice(n * size, (n + 1) * size)
            scores = query[b][:, part] @ keys[:, part].T / np.sqrt(size)
            scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
            weights[b, n] = scores / scores.sum(axis=-1, keepdims=True)
            mixed[b, :, part] = weights[b, n] @ values[:, part]
    return reference.dense(mixed, reference.below(w, "output")), weights


@pytest.mark.parametrize("share", [False, True])
@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("length", [7, 9])
def test_equals_the_reference(length, mask, share):
    layer = low_rank(share_projections=share)
    inputs = sequences(length=length)
    if mask is not None:
        mask = prefix_mask([length, 4], length)
    expected, weights = linformer(inputs, reference.weights_of(layer), 2, mask)
    outputs, scores = layer(
        inputs, padding_mask=mask, return_attention_scores=True
    )
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=2e-5)
    np.testing.assert_allclose(to_numpy(scores), weights, atol=1e-5)
    alone = layer(inputs, padding_mask=mask)
    np.testing.assert_allclose(to_numpy(alone), expected, atol=2e-5)


def test_a_mixture_for_each_position_is_full_attention():
    """E = F = 1: nothing is mixed, and the plain reference holds."""
    layer = low_rank(rank=7, max_sequence_length=7)
    for mixture in (layer.key_mixture, layer.value_mixture):
        mixture.assign(np.eye(7))
    inputs = sequences()
    expected, _ = reference.attention(inputs, reference.weights_of(layer), 2)
    np.testing.assert_allclose(to_numpy(layer(inputs)), expected, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = low_rank(dtype=policy)
    inputs = sequences()
    expected, _ = linformer(inputs, reference.weights_of(layer), 2, MASK)
    outputs = layer(inputs, padding_mask=MASK)
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    assert dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(
        to_numpy(outputs), expected, atol=TOLERANCES[policy]
    )


def test_the_cost_grows_with_the_length_and_not_its_square():
    layer = low_rank(rank=16, max_sequence_length=2048)

    def largest(length):
        return largest_intermediate(layer, sequences(1, length))

    assert largest(2048) == 2 * largest(1024)
    assert largest(2048) < 2048 * 2048 / 10


def test_padding_content_and_amount_cannot_change_valid_outputs():
    layer, inputs = low_rank(), sequences()
    clean = to_numpy(layer(inputs, padding_mask=MASK))
    spoilt = to_numpy(layer(spoil(inputs, MASK), padding_mask=MASK))
    np.testing.assert_allclose(spoilt[MASK], clean[MASK], atol=1e-6)
    alone = to_numpy(layer(inputs[1:, :4]))
    np.testing.assert_allclose(clean[1:, :4], alone, atol=1e-5)


def test_a_row_of_padding_only_gives_zeros():
    layer = low_rank(use_bias=False)
    outputs = to_numpy(layer(sequences(), padding_mask=prefix_mask([7, 0], 7)))
    assert not outputs[1].any()
    assert np.abs(outputs[0]).max() > 0.01


def test_a_causal_mask_is_refused():
    with pytest.raises(ValueError, match="later ones too.*LocalSelfAttention"):
        low_rank()(sequences(), use_causal_mask=True)


def test_a_sequence_that_is_too_long_is_refused():
    with pytest.raises(ValueError, match="10 positions.*_length=9"):
        low_rank()(sequences(length=10))


def test_gradients_are_finite_and_reach_every_weight():
    layer, inputs = low_rank(), sequences(length=9)

    def loss():
        outputs = layer(inputs, padding_mask=prefix_mask([9, 0], 9))
        return keras.ops.mean(keras.ops.square(outputs))

    assert_finite_and_used(layer, loss)


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences()
    calm = to_numpy(low_rank(dropout=0.5)(inputs))
    np.testing.assert_allclose(to_numpy(low_rank()(inputs)), calm, atol=1e-6)
    dropped, again, other = (
        to_numpy(low_rank(dropout=0.5, seed=seed)(inputs, training=True))
        for seed in (0, 0, 1)
    )
    assert np.abs(dropped - calm).max() > 0.01
    np.testing.assert_array_equal(again, dropped)
    assert np.abs(other - dropped).max() > 0


@pytest.mark.parametrize(
    "change",
    [
        {"num_heads": 4},
        {"rank": 2},
        {"head_dim": 6},
        {"share_projections": True},
        {"use_bias": False},
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(change):
    inputs = sequences()
    usual = to_numpy(low_rank()(inputs))
    assert np.abs(to_numpy(low_rank(**change)(inputs)) - usual).max() > 1e-3


def test_its_weights_and_their_first_size():
    keras.utils.set_random_seed(0)
    layer = LowRankSelfAttention(2, 64, 400, name="attention")
    layer.build((None, None, 8))
    shapes = {
        relative_path(layer, weight): tuple(weight.shape)
        for weight in layer.weights
    }
    assert shapes == {
        **{
            f"{name}/{kind}": shape
            for name in ("query", "key", "value", "output")
            for kind, shape in (("kernel", (8, 8)), ("bias", (8,)))
        },
        "key_mixture": (400, 64),
        "value_mixture": (400, 64),
    }
    deviation = to_numpy(layer.key_mixture.value).std()
    assert abs(deviation - 400**-0.5) < 1e-3


def test_the_symbolic_shapes_are_the_real_ones():
    outputs, scores = low_rank()(
        keras.Input((None, 8)), return_attention_scores=True
    )
    assert outputs.shape == (None, None, 8)
    assert scores.shape == (None, 2, None, 3)


def test_keras_file_round_trip(tmp_path):
    layer = low_rank(
        head_dim=6,
        share_projections=True,
        dropout=0.1,
        use_bias=False,
        seed=4,
    )
    assert_round_trip(layer, tmp_path, inputs=sequences(), padding_mask=MASK)


@pytest.mark.parametrize(
    "change,said",
    [
        ({"rank": 0}, "rank must be a positive int, received 0"),
        ({"max_sequence_length": 2.0}, "max_sequence_length.*2.0"),
        ({"num_heads": 3}, "8 features.*3"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_wrong_parameters_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        low_rank(**change)


def test_a_float_padding_mask_is_refused():
    with pytest.raises(ValueError, match="float32.*bool"):
        low_rank()(sequences(), padding_mask=np.ones((2, 7), "float32"))


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = low_rank()
    x, mask = sequences(batch=1), prefix_mask([5], 7)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, padding_mask=mask)), atol=1e-5
    )
