import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_selfattn.layers.attention_positions import (
    RotaryPositions,
    T5RelativeBuckets,
    TransformerXLPositions,
)
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from tests import attention_reference, reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

LENGTH, DIM = 7, 8
every_position = pytest.mark.parametrize(
    "positions", [None, "rotary", "relative", "alibi", "t5"]
)


def attention(num_heads=2, **kwargs):
    layer = MultiHeadSelfAttention(num_heads, name="attention", **kwargs)
    layer.build((None, None, DIM))
    return draw_weights(layer)


def masks():
    """Name -> (call arguments, the mask they stand for)."""
    rng = np.random.default_rng(3)
    padding = prefix_mask([7, 4], LENGTH)
    triangle = np.tri(LENGTH, dtype=bool)
    by_query = rng.random((2, LENGTH, LENGTH)) < 0.6
    by_head = rng.random((2, 2, LENGTH, LENGTH)) < 0.6
    return {
        "none": ({}, True),
        "padding": ({"padding_mask": padding}, padding[:, None, None]),
        "causal": ({"use_causal_mask": True}, triangle),
        "rank_2": ({"attention_mask": by_query[0]}, by_query[0]),
        "rank_3": ({"attention_mask": by_query}, by_query[:, None]),
        "all": (
            {
                "padding_mask": padding,
                "attention_mask": by_head,
                "use_causal_mask": True,
            },
            padding[:, None, None] & by_head & triangle,
        ),
    }


@every_position
@pytest.mark.parametrize("mask", masks())
def test_equals_the_reference(positions, mask):
    arguments, meaning = masks()[mask]
    layer = attention(positions=positions)
    inputs = sequences(length=LENGTH, dim=DIM)
    expected, weights = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        positions=positions,
        mask=meaning,
    )
    outputs, scores = layer(inputs, return_attention_scores=True, **arguments)
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=2e-5)
    np.testing.assert_allclose(to_numpy(scores), weights, atol=1e-5)
    alone = layer(inputs, **arguments)  # without scores a kernel may run
    np.testing.assert_allclose(to_numpy(alone), expected, atol=2e-5)


@every_position
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(positions, policy):
    layer = attention(positions=positions, dtype=policy)
    inputs = sequences(length=LENGTH, dim=DIM)
    padding = prefix_mask([7, 4], LENGTH)
    expected, _ = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        positions=positions,
        mask=padding[:, None, None],
    )
    outputs = layer(inputs, padding_mask=padding)
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    assert dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(
        to_numpy(outputs), expected, atol=TOLERANCES[policy]
    )


@pytest.mark.parametrize("num_heads,head_dim", [(1, None), (4, None), (2, 6)])
def test_any_number_of_heads_equals_the_reference(num_heads, head_dim):
    layer = attention(num_heads, head_dim=head_dim)
    inputs = sequences(length=LENGTH, dim=DIM)
    expected, _ = reference.attention(
        inputs, reference.weights_of(layer), num_heads
    )
    np.testing.assert_allclose(to_numpy(layer(inputs)), expected, atol=2e-5)


@pytest.mark.parametrize("length", [1, 2, 13])
def test_any_length_equals_the_reference(length):
    layer = attention(positions="relative")
    inputs = sequences(length=length, dim=DIM)
    expected, _ = reference.attention(
        inputs, reference.weights_of(layer), 2, "relative"
    )
    np.testing.assert_allclose(to_numpy(layer(inputs)), expected, atol=2e-5)


@every_position
def test_padding_content_cannot_change_valid_outputs(positions):
    layer = attention(positions=positions)
    inputs = sequences(length=LENGTH, dim=DIM)
    padding = prefix_mask([7, 4], LENGTH)
    clean = to_numpy(layer(inputs, padding_mask=padding))
    spoilt = to_numpy(layer(spoil(inputs, padding), padding_mask=padding))
    np.testing.assert_allclose(spoilt[padding], clean[padding], atol=1e-6)
    cut = to_numpy(layer(inputs[1:, :4]))
    np.testing.assert_allclose(clean[1:, :4], cut, atol=1e-5)


@every_position
def test_the_future_cannot_leak(positions):
    layer = attention(positions=positions)
    inputs = sequences(length=LENGTH, dim=DIM)
    changed = inputs.copy()
    changed[:, 4:] = 100.0
    before = to_numpy(layer(inputs, use_causal_mask=True))
    after = to_numpy(layer(changed, use_causal_mask=True))
    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-6)
    assert np.abs(after[:, 4:] - before[:, 4:]).max() > 0.1


def test_scores_sum_to_one_over_real_keys_and_are_zero_elsewhere():
    padding = prefix_mask([7, 4], LENGTH)
    _, scores = attention(positions="rotary")(
        sequences(length=LENGTH, dim=DIM),
        padding_mask=padding,
        return_attention_scores=True,
    )
    scores = to_numpy(scores)
    np.testing.assert_allclose(scores.sum(axis=-1), 1.0, atol=1e-5)
    assert not scores[1, :, :, 4:].any()


@every_position
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_query_with_nothing_to_attend_gives_zeros(positions, policy):
    layer = attention(positions=positions, use_bias=False, dtype=policy)
    inputs = sequences(length=LENGTH, dim=DIM)
    mask = np.ones((2, LENGTH, LENGTH), bool)
    mask[1, 2] = False
    outputs, scores = layer(
        inputs, attention_mask=mask, return_attention_scores=True
    )
    outputs, scores = to_numpy(outputs), to_numpy(scores)
    assert not outputs[1, 2].any()
    assert not scores[1, :, 2].any()
    assert np.isfinite(outputs).all()
    assert np.abs(outputs[0, 2]).max() > 0.01


@every_position
def test_gradients_are_finite_and_reach_every_weight(positions):
    layer = attention(positions=positions)
    inputs = sequences(length=LENGTH, dim=DIM)
    padding = prefix_mask([7, 0], LENGTH)  # one row has nothing to attend

    def loss():
        outputs = layer(inputs, padding_mask=padding)
        return keras.ops.mean(keras.ops.square(outputs))

    # A constant added to every key of a query leaves softmax as it is, but
    # for rotary positions, which turn it differently at every key.
    unused = () if positions == "rotary" else ("key/bias",)
    assert_finite_and_used(layer, loss, unused)


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences(length=LENGTH, dim=DIM)
    layer, twin = attention(dropout=0.5), attention(dropout=0.5)
    other = attention(dropout=0.5, seed=1)
    calm = to_numpy(layer(inputs))
    np.testing.assert_array_equal(to_numpy(layer(inputs)), calm)
    dropped = to_numpy(layer(inputs, training=True))
    assert np.abs(dropped - calm).max() > 0.01
    np.testing.assert_array_equal(
        to_numpy(twin(inputs, training=True)), dropped
    )
    assert np.abs(to_numpy(other(inputs, training=True)) - dropped).max() > 0


@pytest.mark.parametrize(
    "change",
    [
        {"num_heads": 4},
        {"head_dim": 6},
        {"positions": "rotary"},
        {"positions": "relative"},
        {"positions": "alibi"},
        {"positions": "t5"},
        {"positions": RotaryPositions(10.0)},
        {"use_bias": False},
        {"num_key_value_heads": 1},
        {"soft_cap": 0.3},
        {"scale": 1.0},
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(change):
    inputs = sequences(length=LENGTH, dim=DIM)
    usual = to_numpy(attention()(inputs))
    changed = to_numpy(attention(**change)(inputs))
    assert np.abs(changed - usual).max() > 1e-2


@pytest.mark.parametrize(
    "positions",
    [
        "relative",
        "alibi",
        RotaryPositions(50.0, 0.5),
        TransformerXLPositions(20.0),
        T5RelativeBuckets(8, 6, False),
    ],
    ids=str,
)
def test_keras_file_round_trip(positions, tmp_path):
    layer = MultiHeadSelfAttention(
        4, 8, positions, 0.1, False, 4, 2, 5.0, name="attention"
    )
    layer.build((None, None, DIM))
    assert_round_trip(
        draw_weights(layer),
        tmp_path,
        inputs=sequences(length=LENGTH, dim=DIM),
        padding_mask=prefix_mask([7, 4], LENGTH),
    )


def test_the_symbolic_shapes_are_the_real_ones():
    inputs = keras.Input((None, DIM))
    outputs, scores = attention()(inputs, return_attention_scores=True)
    assert outputs.shape == (None, None, DIM)
    assert scores.shape == (None, 2, None, None)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"num_heads": 0}, "num_heads"),
        ({"num_heads": 2.0}, "2.0"),
        ({"num_heads": 3}, "8 features.*3"),
        ({"num_heads": 2, "positions": "absolute"}, "absolute"),
        ({"num_heads": 2, "dropout": 1.0}, "dropout=1.0"),
        ({"num_heads": 2, "head_dim": 3, "positions": "rotary"}, "head_dim"),
        ({"num_heads": 8, "positions": "rotary"}, "head_dim"),
        ({"num_heads": 4, "num_key_value_heads": 3}, "4.*divide.*3"),
        ({"num_heads": 2, "num_key_value_heads": 4}, "2.*divide.*4"),
        ({"num_heads": 2, "soft_cap": -1.0}, "soft_cap=-1.0"),
        ({"num_heads": 2, "scale": 0.0}, "scale=0.0 must be > 0"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        MultiHeadSelfAttention(**arguments)(sequences(dim=DIM))


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"attention_mask": np.ones((7, 7), "float32")}, "float32.*bool"),
        ({"attention_mask": np.ones(7, bool)}, r"\(7,\).*\(T, S\)"),
        ({"padding_mask": np.ones((2, 7), "int32")}, "int32.*bool"),
        ({"padding_mask": np.ones((2, 1, 7), bool)}, r"\(2, 1, 7\)"),
        ({"attention_bias": np.ones((7, 7), bool)}, "attention_mask"),
        ({"attention_bias": np.ones(7, "float32")}, r"\(7,\)"),
    ],
    ids=str,
)
def test_masks_and_biases_of_another_kind_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        attention()(sequences(length=LENGTH, dim=DIM), **arguments)


@pytest.mark.parametrize("num_key_value_heads", [1, 2, 4])
@pytest.mark.parametrize("positions", ["rotary", "relative"])
def test_fewer_key_value_heads_equal_the_reference(
    num_key_value_heads, positions
):
    layer = attention(
        4,
        head_dim=6,
        positions=positions,
        num_key_value_heads=num_key_value_heads,
    )
    assert layer.key.kernel.shape == (DIM, num_key_value_heads * 6)
    inputs = sequences(length=LENGTH, dim=DIM)
    expected, weights = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        4,
        num_key_value_heads,
        positions=positions,
        mask=np.tri(LENGTH, dtype=bool),
    )
    for wanted in (False, True):
        found = layer(
            inputs, use_causal_mask=True, return_attention_scores=wanted
        )
        outputs = found[0] if wanted else found
        np.testing.assert_allclose(to_numpy(outputs), expected, atol=2e-5)
    np.testing.assert_allclose(to_numpy(found[1]), weights, atol=1e-5)


@pytest.mark.parametrize("rank", [2, 3, 4])
@pytest.mark.parametrize("positions", [None, "alibi"])
def test_bias_and_soft_cap_equal_the_reference(positions, rank):
    layer = attention(positions=positions, soft_cap=0.7)
    inputs = sequences(length=LENGTH, dim=DIM)
    bias = np.random.default_rng(5).normal(size=(2, 2, LENGTH, LENGTH))
    bias = bias.astype("float32")
    given = {2: bias[0, 0], 3: bias[:, 0], 4: bias}[rank]
    meant = {2: bias[:1, :1], 3: bias[:, :1], 4: bias}[rank]
    expected, _ = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        positions=positions,
        bias=meant,
        soft_cap=0.7,
        mask=np.tri(LENGTH, dtype=bool),
    )
    found = layer(inputs, attention_bias=given, use_causal_mask=True)
    np.testing.assert_allclose(to_numpy(found), expected, atol=2e-5)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    positions=st.sampled_from([None, "rotary", "relative", "alibi", "t5"]),
    length=st.sampled_from([1, 4, 9]),
    lengths=st.tuples(st.integers(0, 9), st.integers(0, 9)),
    density=st.floats(0, 1),
    causal=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_mask_and_length_equals_the_reference(
    positions, length, lengths, density, causal, seed
):
    layer = attention(positions=positions, num_key_value_heads=1)
    inputs = sequences(length=length, dim=DIM, seed=seed)
    padding = prefix_mask(lengths, length)
    rng = np.random.default_rng(seed)
    mask = rng.random((2, length, length)) < density
    meaning = padding[:, None, None] & mask[:, None]
    if causal:
        meaning = meaning & np.tri(length, dtype=bool)
    expected, _ = attention_reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        1,
        positions=positions,
        mask=meaning,
    )
    found = layer(
        inputs,
        padding_mask=padding,
        attention_mask=mask,
        use_causal_mask=causal,
    )
    np.testing.assert_allclose(to_numpy(found), expected, atol=2e-5)


@needs_tensorflow
@every_position
def test_converts_to_built_in_operations(positions):
    layer = attention(positions=positions)
    inputs = sequences(batch=1, length=LENGTH, dim=DIM)
    padding = prefix_mask([5], LENGTH)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask, use_causal_mask=True),
        x=inputs,
        mask=padding,
    )
    expected = layer(inputs, padding_mask=padding, use_causal_mask=True)
    np.testing.assert_allclose(found, to_numpy(expected), atol=1e-5)
