import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_selfattn.layers import attention_core
from keras_selfattn.layers.attention_core import (
    add_biases,
    attend,
    attendable,
    check_heads,
    check_rates,
    head_size,
    keys_mask,
    masked_softmax,
    merge_heads,
    projection,
    score_bias,
    split_heads,
)
from tests import attention_reference
from tests.arrays import to_numpy
from tests.gradients import gradients
from tests.litert import needs_tensorflow, run_converted

pytestmark = pytest.mark.backend

B, N, K, T, S, H = 2, 4, 2, 5, 7, 4
# Largest error of outputs of order 1 against float64, by compute dtype; outputs
# above it may err by as much of their size (processors without bfloat16 also
# add up in it, on TensorFlow).
TOLERANCES = {"float32": 1e-5, "bfloat16": 4e-2, "float16": 4e-3}


def heads(num_pairs=N, num_queries=T, num_keys=S, batch=B, value_dim=H, seed=0):
    """Query, key and value, float32, with scores of order 1."""
    rng = np.random.default_rng(seed)
    shapes = (
        (batch, N, num_queries, H),
        (batch, num_pairs, num_keys, H),
        (batch, num_pairs, num_keys, value_dim),
    )
    return [1.5 * rng.normal(size=shape).astype("float32") for shape in shapes]


def tensors(arrays, dtype="float32"):
    return [keras.ops.cast(keras.ops.array(x), dtype) for x in arrays]


def masks():
    """Masks of every shape that broadcasts, some with empty rows."""
    rng = np.random.default_rng(1)
    keys = np.arange(S) < np.array([S, 3])[:, None]
    return {
        "none": None,
        "keys": keys[:, None, None],
        "one row empty": keys[:, None, None]
        & np.array([[[[1]]], [[[0]]]], bool),
        "queries and keys": rng.random((1, 1, T, S)) < 0.5,
        "heads": rng.random((1, N, 1, S)) < 0.5,
        "all": rng.random((B, N, T, S)) < 0.4,
        "nothing": np.zeros((1, 1, 1, S), bool),
    }


def biases():
    rng = np.random.default_rng(2)
    return {
        "none": None,
        "shared": rng.normal(size=(1, 1, T, S)).astype("float32"),
        "heads": rng.normal(size=(1, N, T, S)).astype("float32"),
        "all": rng.normal(size=(B, N, T, S)).astype("float32"),
    }


def meaning(mask, causal=False):
    mask = True if mask is None else mask
    return mask & np.tri(T, S, dtype=bool) if causal else mask


@pytest.mark.parametrize("scores", [False, True], ids=["kernel", "scores"])
@pytest.mark.parametrize("causal", [False, True], ids=["", "causal"])
@pytest.mark.parametrize("bias", biases())
@pytest.mark.parametrize("mask", masks())
def test_equals_the_reference(mask, bias, causal, scores):
    """With scores asked for the plain path runs, without a kernel may."""
    mask, bias = masks()[mask], biases()[bias]
    query, key, value = heads(K)
    expected, weights = attention_reference.attend(
        query,
        key,
        value,
        meaning(mask, causal),
        0.0 if bias is None else bias,
    )
    found = attend(
        *tensors((query, key, value)),
        mask=None if mask is None else keras.ops.array(mask),
        bias=None if bias is None else keras.ops.array(bias),
        causal=causal,
        return_scores=scores,
    )
    if scores:
        found, found_weights = found
        np.testing.assert_allclose(to_numpy(found_weights), weights, atol=1e-6)
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)


@pytest.mark.parametrize("num_pairs", [1, 2, 4])
@pytest.mark.parametrize("dtype", TOLERANCES)
def test_equals_the_reference_in_every_dtype(dtype, num_pairs):
    query, key, value = heads(num_pairs)
    mask = masks()["all"]
    bias = biases()["heads"]
    expected, _ = attention_reference.attend(query, key, value, mask, bias)
    for scores in (False, True):
        found = attend(
            *tensors((query, key, value), dtype),
            mask=keras.ops.array(mask),
            bias=keras.ops.array(bias),
            return_scores=scores,
        )
        found = found[0] if scores else found
        assert keras.backend.standardize_dtype(found.dtype) == dtype
        error = np.abs(to_numpy(found).astype("float64") - expected)
        scale = np.maximum(np.abs(expected), 1.0)
        assert np.max(error / scale) <= TOLERANCES[dtype]


@pytest.mark.parametrize("soft_cap,scale", [(2.0, None), (0.5, 1.0), (None, 2)])
def test_soft_cap_and_scale_equal_the_reference(soft_cap, scale):
    query, key, value = heads(value_dim=6)
    mask, bias = masks()["all"], biases()["shared"]
    expected, _ = attention_reference.attend(
        query, key, value, mask, bias, soft_cap, scale
    )
    found = attend(
        *tensors((query, key, value)),
        mask=keras.ops.array(mask),
        bias=keras.ops.array(bias),
        soft_cap=soft_cap,
        scale=scale,
    )
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    num_pairs=st.sampled_from([1, 2, 4]),
    num_queries=st.sampled_from([1, 3, 6]),
    num_keys=st.sampled_from([1, 2, 6]),
    density=st.floats(0, 1),
    shared=st.tuples(*[st.booleans()] * 3),
    causal=st.booleans(),
    scores=st.booleans(),
    seed=st.integers(0, 2**16),
)
def test_any_mask_and_length_equals_the_reference(
    num_pairs, num_queries, num_keys, density, shared, causal, scores, seed
):
    """Random masks, broadcast along random axes, empty rows among them."""
    query, key, value = heads(
        num_pairs, num_queries, num_keys, batch=3, seed=seed
    )
    shape = tuple(
        1 if one else size
        for one, size in zip((*shared, False), (3, N, num_queries, num_keys))
    )
    mask = np.random.default_rng(seed).random(shape) < density
    triangle = np.tri(num_queries, num_keys, dtype=bool)
    expected, _ = attention_reference.attend(
        query, key, value, mask & triangle if causal else mask
    )
    found = attend(
        *tensors((query, key, value)),
        mask=keras.ops.array(mask),
        causal=causal,
        return_scores=scores,
    )
    np.testing.assert_allclose(
        to_numpy(found[0] if scores else found), expected, atol=1e-5
    )


@pytest.mark.parametrize("scores", [False, True], ids=["kernel", "plain"])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("num_pairs", [K, N])
def test_gradients_are_those_of_the_reference_and_finite(
    num_pairs, causal, scores
):
    """Against central differences; one row has nothing to attend."""
    arrays = heads(num_pairs, batch=1)
    mask = masks()["all"][:1].copy()
    mask[:, :, 2] = False
    rng = np.random.default_rng(3)
    pull = rng.normal(size=(1, N, T, H)).astype("float32")
    variables = [keras.Variable(x) for x in arrays]

    def loss():
        found = attend(
            *[v.value for v in variables],
            mask=keras.ops.array(mask),
            causal=causal,
            return_scores=scores,
        )
        found = found[0] if scores else found
        return keras.ops.sum(found * keras.ops.array(pull))

    def exact(arrays):
        outputs, _ = attention_reference.attend(*arrays, meaning(mask, causal))
        return (outputs * pull).sum()

    _, found = gradients(loss, variables)
    for i, gradient in enumerate(found):
        assert np.isfinite(gradient).all()
        for _ in range(6):
            step = rng.normal(size=arrays[i].shape)
            moved = [
                exact(
                    [
                        x + (sign * 1e-5 * step if j == i else 0.0)
                        for j, x in enumerate(arrays)
                    ]
                )
                for sign in (1, -1)
            ]
            slope = (moved[0] - moved[1]) / 2e-5
            np.testing.assert_allclose(
                (gradient * step).sum(), slope, atol=2e-4, rtol=1e-4
            )


def test_a_bias_that_learns_gets_its_gradient():
    query, key, value = tensors(heads())
    bias = keras.Variable(biases()["heads"])
    mask = keras.ops.array(masks()["keys"])

    def loss():
        outputs = attend(query, key, value, mask=mask, bias=bias.value)
        return keras.ops.sum(keras.ops.square(outputs))

    _, (gradient,) = gradients(loss, [bias])
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 1e-2
    np.testing.assert_allclose(gradient.sum(axis=-1), 0.0, atol=1e-4)


@pytest.mark.parametrize("scores", [False, True], ids=["kernel", "plain"])
def test_hidden_values_never_count_however_large(scores):
    query, key, value = heads()
    mask = masks()["queries and keys"].copy()
    mask[..., 3] = False
    outputs = []
    for filling in (0.0, 1e4):
        key[:, :, 3] = value[:, :, 3] = filling
        found = attend(
            *tensors((query, key, value)),
            mask=keras.ops.array(mask),
            return_scores=scores,
        )
        outputs.append(to_numpy(found[0] if scores else found))
    np.testing.assert_array_equal(*outputs)


def test_dropout_acts_in_training_only():
    query, key, value = tensors(heads())
    dropout = keras.layers.Dropout(0.5, seed=0)
    calm = to_numpy(attend(query, key, value))
    rested = attend(query, key, value, dropout=dropout)
    np.testing.assert_allclose(to_numpy(rested), calm, atol=1e-6)
    dropped, weights = attend(
        query, key, value, dropout=dropout, training=True, return_scores=True
    )
    assert np.abs(to_numpy(dropped) - calm).max() > 0.05
    np.testing.assert_allclose(to_numpy(weights).sum(-1), 1.0, atol=1e-5)


def test_query_heads_that_do_not_divide_are_refused():
    query, key, value = tensors(heads(3))
    with pytest.raises(ValueError, match="4 query heads.*3"):
        attend(query, key, value)


@pytest.mark.parametrize("dtype", TOLERANCES)
def test_softmax_stands_huge_and_equal_scores(dtype):
    scores = keras.ops.array([[[[1e4, 1e4, 5.0], [-1e4, 0.0, 1e4]]]])
    mask = keras.ops.array([[[[True, True, False], [True, False, False]]]])
    np.testing.assert_allclose(
        to_numpy(masked_softmax(keras.ops.cast(scores, dtype), mask)),
        [[[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]]]],
        atol=1e-6,
    )


def test_attendable_is_zero_where_no_key_is():
    mask = keras.ops.array([[[[True, False], [False, False]]]])
    assert to_numpy(attendable(mask, "float32")).tolist() == [[[[1], [0]]]]


def test_heads_are_split_by_neighbouring_features_and_merged_again():
    x = np.arange(2 * 3 * 4, dtype="float32").reshape(2, 3, 4)
    split = split_heads(keras.ops.array(x), 2)
    np.testing.assert_array_equal(
        to_numpy(split)[1, 1], [[14, 15], [18, 19], [22, 23]]
    )
    np.testing.assert_array_equal(to_numpy(merge_heads(split)), x)


def test_padding_masks_become_masks_of_keys():
    mask = np.array([[True, False, True]])
    assert to_numpy(keys_mask(mask)).tolist() == [[[mask[0].tolist()]]]


@pytest.mark.parametrize(
    "mask,said",
    [
        (np.ones((2, 3), "float32"), "float32.*bool"),
        (np.ones((2, 3), "int32"), "int32"),
        (np.ones((2, 1, 3), bool), r"\(2, 1, 3\).*attention_mask"),
        (np.ones(3, bool), r"\(3,\)"),
    ],
)
def test_padding_masks_of_another_kind_are_refused(mask, said):
    with pytest.raises(ValueError, match=said):
        keys_mask(mask)


@pytest.mark.parametrize("rank", [2, 3, 4])
def test_biases_of_every_rank_meet_the_scores(rank):
    bias = biases()["all"]
    given = {2: bias[0, 0], 3: bias[:, 0], 4: bias}[rank]
    expected = {2: bias[:1, :1], 3: bias[:, :1], 4: bias}[rank]
    np.testing.assert_array_equal(to_numpy(score_bias(given)), expected)


@pytest.mark.parametrize(
    "bias,said",
    [
        (np.ones((2, 3), bool), "bool.*attention_mask"),
        (np.ones((2, 3), "int32"), "int32"),
        (np.ones(3, "float32"), r"\(3,\)"),
        (np.ones((1, 1, 1, 2, 3), "float32"), r"\(1, 1, 1, 2, 3\)"),
    ],
)
def test_biases_of_another_kind_are_refused(bias, said):
    with pytest.raises(ValueError, match=said):
        score_bias(bias)


def test_biases_add_up_and_none_is_none():
    assert add_biases(None, None) is None
    assert add_biases(None, 2.0) == 2.0
    assert add_biases(1.0, None, 2.5) == 3.5


@pytest.mark.parametrize(
    "arguments,said",
    [
        ((0,), "num_heads.*0"),
        ((2.0,), "num_heads.*2.0"),
        ((4, 0), "head_dim.*0"),
        ((4, None, 3), "num_heads=4.*num_key_value_heads=3"),
        ((4, 8, 0), "num_key_value_heads.*0"),
        ((2, 8, 4), "num_heads=2.*num_key_value_heads=4"),
    ],
)
def test_impossible_heads_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        check_heads(*arguments)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"dropout": 1.0}, "dropout=1.0"),
        ({"dropout": -0.1}, "dropout=-0.1"),
        ({"soft_cap": 0.0}, "soft_cap=0.0"),
    ],
)
def test_impossible_rates_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        check_rates(**arguments)


def test_head_size_is_given_or_divides():
    assert head_size(12, 3) == 4
    assert head_size(12, 5, 7) == 7
    with pytest.raises(ValueError, match="12 features.*5"):
        head_size(12, 5)


def test_projections_follow_the_layers_policy():
    layer = keras.layers.Layer(dtype="mixed_bfloat16")
    dense = projection(layer, "query", 6, 4, use_bias=False)
    assert dense.kernel.shape == (4, 6)
    assert dense.bias is None
    assert dense.compute_dtype == "bfloat16"


@needs_tensorflow
@pytest.mark.parametrize("num_pairs", [K, N])
def test_converts_to_built_in_operations(num_pairs):
    """Lengths unknown, causal, masked and biased, with grouped heads."""

    def function(x, mask):
        x = keras.ops.cast(x, "float32")
        query = split_heads(x, N)
        pairs = split_heads(x[..., : num_pairs * H], num_pairs)
        bias = keras.ops.expand_dims(
            keras.ops.matmul(x, keras.ops.transpose(x, (0, 2, 1))), 1
        )
        return merge_heads(
            attend(
                query,
                pairs,
                pairs,
                mask=keys_mask(mask),
                bias=bias,
                soft_cap=3.0,
                causal=True,
            )
        )

    x = np.random.default_rng(0).normal(size=(1, T, N * H)).astype("float32")
    mask = np.array([[True, True, False, True, False]])
    np.testing.assert_allclose(
        run_converted(function, x=x, mask=mask),
        to_numpy(function(x, mask)),
        atol=1e-5,
    )


def test_the_kernel_is_given_up_where_it_cannot_give_the_answer(monkeypatch):
    """Scores, a soft cap and active dropout never reach a kernel."""

    def refuse(*args, **kwargs):
        raise AssertionError("a kernel was asked")

    monkeypatch.setattr(attention_core, "available", lambda *_: True)
    monkeypatch.setattr(attention_core, "attend_fused", refuse)
    query, key, value = tensors(heads())
    dropout = keras.layers.Dropout(0.5, seed=0)
    attend(query, key, value, return_scores=True)
    attend(query, key, value, soft_cap=5.0)
    attend(query, key, value, dropout=dropout, training=True)
    with pytest.raises(AssertionError, match="a kernel was asked"):
        attend(query, key, value, dropout=dropout)
