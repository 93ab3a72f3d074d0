import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_positions import RotaryPositions
from keras_selfattn.layers.cross_attention import MultiHeadCrossAttention
from tests import attention_reference, reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

T, S, DIM, CONTEXT_DIM = 5, 7, 8, 6
REAL = prefix_mask([S, 4], S)
every_position = pytest.mark.parametrize(
    "positions", [None, "rotary", "relative", "alibi", "t5"]
)


def attention(num_heads=2, **kwargs):
    layer = MultiHeadCrossAttention(num_heads, name="attention", **kwargs)
    layer.build((None, None, DIM), (None, None, CONTEXT_DIM))
    return draw_weights(layer)


def arrays():
    return (
        sequences(length=T, dim=DIM),
        sequences(length=S, dim=CONTEXT_DIM, seed=1),
    )


def masks():
    """Name -> (call arguments, the mask they stand for)."""
    rng = np.random.default_rng(3)
    by_head = rng.random((2, 2, T, S)) < 0.5
    return {
        "none": ({}, True),
        "padding": ({"context_padding_mask": REAL}, REAL[:, None, None]),
        "rank_2": ({"attention_mask": by_head[0, 0]}, by_head[0, 0]),
        "rank_3": ({"attention_mask": by_head[:, 0]}, by_head[:, :1]),
        "both": (
            {"context_padding_mask": REAL, "attention_mask": by_head},
            REAL[:, None, None] & by_head,
        ),
    }


@pytest.mark.slow
@every_position
@pytest.mark.parametrize("mask", masks())
def test_equals_the_reference(positions, mask):
    arguments, meaning = masks()[mask]
    layer = attention(positions=positions)
    inputs, context = arrays()
    expected, weights = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        context=context,
        positions=positions,
        mask=meaning,
    )
    outputs, scores = layer(
        inputs, context, return_attention_scores=True, **arguments
    )
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=2e-5)
    np.testing.assert_allclose(to_numpy(scores), weights, atol=1e-5)
    alone = layer(inputs, context, **arguments)
    np.testing.assert_allclose(to_numpy(alone), expected, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = attention(dtype=policy)
    inputs, context = arrays()
    expected, _ = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        context=context,
        mask=REAL[:, None, None],
    )
    found = layer(inputs, context, context_padding_mask=REAL)
    dtype = keras.backend.standardize_dtype(found.dtype)
    assert dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(
        to_numpy(found), expected, atol=TOLERANCES[policy]
    )


@pytest.mark.parametrize("num_key_value_heads", [1, 2])
def test_groups_bias_and_soft_cap_equal_the_reference(num_key_value_heads):
    layer = attention(
        4, head_dim=3, num_key_value_heads=num_key_value_heads, soft_cap=0.5
    )
    inputs, context = arrays()
    bias = np.random.default_rng(4).normal(size=(T, S)).astype("float32")
    expected, _ = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        4,
        num_key_value_heads,
        context=context,
        bias=bias,
        soft_cap=0.5,
    )
    found = layer(inputs, context, attention_bias=bias)
    np.testing.assert_allclose(to_numpy(found), expected, atol=2e-5)


@every_position
def test_cached_equals_uncached(positions):
    layer = attention(positions=positions, num_key_value_heads=1)
    inputs, context = arrays()
    expected = layer(inputs, context, context_padding_mask=REAL)
    cache = layer.context_cache(context)
    found = [
        layer(
            inputs[:, i : i + 1],
            cache=cache,
            context_padding_mask=REAL,
            query_offset=i,
        )
        for i in range(T)
    ]
    np.testing.assert_allclose(
        np.concatenate([to_numpy(x) for x in found], axis=1),
        to_numpy(expected),
        atol=1e-5,
    )


def test_padding_content_cannot_change_outputs():
    layer = attention()
    inputs, context = arrays()
    clean = to_numpy(layer(inputs, context, context_padding_mask=REAL))
    spoilt = layer(inputs, spoil(context, REAL), context_padding_mask=REAL)
    np.testing.assert_allclose(to_numpy(spoilt), clean, atol=1e-6)
    cut = to_numpy(layer(inputs[1:], context[1:, :4]))
    np.testing.assert_allclose(clean[1:], cut, atol=1e-5)


def test_an_empty_context_gives_zeros_and_finite_gradients():
    layer = attention(use_bias=False)
    inputs, context = arrays()
    real = prefix_mask([S, 0], S)

    def loss():
        found = layer(inputs, context, context_padding_mask=real)
        return keras.ops.mean(keras.ops.square(found))

    found = to_numpy(layer(inputs, context, context_padding_mask=real))
    assert not found[1].any()
    assert np.abs(found[0]).max() > 0.01
    assert_finite_and_used(layer, loss)


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs, context = arrays()
    layer, twin = attention(dropout=0.5), attention(dropout=0.5)
    calm = to_numpy(layer(inputs, context))
    np.testing.assert_allclose(
        to_numpy(attention()(inputs, context)), calm, atol=1e-6
    )
    dropped = to_numpy(layer(inputs, context, training=True))
    assert np.abs(dropped - calm).max() > 0.01
    again = to_numpy(twin(inputs, context, training=True))
    np.testing.assert_array_equal(again, dropped)
    other = attention(dropout=0.5, seed=1)(inputs, context, training=True)
    assert np.abs(to_numpy(other) - dropped).max() > 0.01


@pytest.mark.parametrize(
    "change",
    [
        {"num_heads": 4},
        {"head_dim": 6},
        {"positions": "alibi"},
        {"positions": RotaryPositions(10.0)},
        {"use_bias": False},
        {"num_key_value_heads": 1},
        {"soft_cap": 0.3},
        {"scale": 1.0},
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(change):
    usual = to_numpy(attention()(*arrays()))
    changed = to_numpy(attention(**change)(*arrays()))
    assert np.abs(changed - usual).max() > 1e-2


def test_keras_file_round_trip(tmp_path):
    layer = attention(
        4,
        head_dim=6,
        positions=RotaryPositions(50.0, 0.34),
        dropout=0.1,
        use_bias=False,
        seed=4,
        num_key_value_heads=2,
        soft_cap=5.0,
    )
    inputs, context = arrays()
    assert_round_trip(
        layer,
        tmp_path,
        inputs=inputs,
        context=context,
        context_padding_mask=REAL,
    )


def test_the_symbolic_shapes_are_the_real_ones():
    layer = attention()
    inputs = keras.Input((None, DIM))
    context = keras.Input((S, CONTEXT_DIM))
    outputs, scores = layer(inputs, context, return_attention_scores=True)
    assert outputs.shape == (None, None, DIM)
    assert scores.shape == (None, 2, None, S)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"num_heads": 0}, "num_heads"),
        ({"num_heads": 3}, "8 features.*3"),
        ({"num_heads": 4, "num_key_value_heads": 3}, "4.*divide.*3"),
        ({"num_heads": 2, "positions": "absolute"}, "absolute"),
        ({"num_heads": 2, "dropout": -1.0}, "dropout=-1.0"),
        ({"num_heads": 2, "soft_cap": 0.0}, "soft_cap=0.0"),
        ({"num_heads": 2, "head_dim": 3, "positions": "rotary"}, "head_dim"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        MultiHeadCrossAttention(**arguments)(*arrays())


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"attention_mask": np.ones((T, S), "int32")}, "int32.*bool"),
        ({"attention_mask": np.ones(S, bool)}, r"\(7,\)"),
        ({"context_padding_mask": np.ones((2, 1, S), bool)}, "context_padding"),
        ({"attention_bias": np.ones((T, S), bool)}, "attention_mask"),
        ({"cache": 3}, "both"),
    ],
    ids=str,
)
def test_wrong_calls_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        attention()(*arrays(), **arguments)


def test_a_context_is_needed_first():
    inputs, context = arrays()
    layer = MultiHeadCrossAttention(2)
    with pytest.raises(ValueError, match="not built"):
        layer.context_cache(context)
    with pytest.raises(ValueError, match="neither"):
        attention()(inputs)
    cache = attention().context_cache(context)
    with pytest.raises(ValueError, match="context"):
        layer(inputs, cache=cache)
    with pytest.raises(ValueError, match="head_dim=8"):
        attention(1)(inputs, cache=cache)


@needs_tensorflow
@every_position
def test_converts_to_built_in_operations(positions):
    layer = attention(positions=positions, num_key_value_heads=1)
    inputs, context = (x[:1] for x in arrays())
    found = run_converted(
        lambda x, context, mask: layer(x, context, context_padding_mask=mask),
        x=inputs,
        context=context,
        mask=REAL[1:],
    )
    expected = layer(inputs, context, context_padding_mask=REAL[1:])
    np.testing.assert_allclose(found, to_numpy(expected), atol=1e-5)
