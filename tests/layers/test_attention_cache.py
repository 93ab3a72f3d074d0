import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_cache import (
    check_cache,
    empty_cache,
    filled_mask,
    update_cache,
)
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from tests.arrays import sequences, to_numpy
from tests.fixed_weights import draw_weights
from tests.litert import needs_tensorflow, run_converted

pytestmark = pytest.mark.backend

B, K, S, H = 2, 3, 5, 4
LENGTH, DIM = 7, 8
every_position = pytest.mark.parametrize(
    "positions", [None, "rotary", "relative", "alibi", "t5"]
)


def attention(**kwargs):
    layer = MultiHeadSelfAttention(2, name="attention", **kwargs)
    layer.build((None, None, DIM))
    return draw_weights(layer)


def new(num_tokens, seed=0):
    rng = np.random.default_rng(seed)
    shape = (B, K, num_tokens, H)
    return [rng.normal(size=shape).astype("float32") for _ in range(2)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_an_empty_cache_is_zeros_of_its_dtype(dtype):
    cache = empty_cache(B, S, K, H, dtype)
    assert set(cache) == {"key", "value"}
    for tensor in cache.values():
        assert keras.backend.standardize_dtype(tensor.dtype) == dtype
        assert to_numpy(tensor).shape == (B, K, S, H)
        assert not to_numpy(tensor).any()


@pytest.mark.parametrize("kind", ["int", "numpy", "tensor"])
def test_new_tokens_stand_from_the_index_on(kind):
    index = {
        "int": 2,
        "numpy": np.int64(2),
        "tensor": keras.ops.convert_to_tensor(2, "int32"),
    }[kind]
    before = empty_cache(B, S, K, H)
    key, value = new(2)
    after = update_cache(
        before, keras.ops.array(key), keras.ops.array(value), index
    )
    for name, written in (("key", key), ("value", value)):
        expected = np.zeros((B, K, S, H), "float32")
        expected[:, :, 2:4] = written
        np.testing.assert_array_equal(to_numpy(after[name]), expected)
        assert not to_numpy(before[name]).any()  # the old one is as it was


def test_steps_fill_what_one_call_fills():
    key, value = new(S)
    at_once = update_cache(
        empty_cache(B, S, K, H), keras.ops.array(key), keras.ops.array(value), 0
    )
    cache = empty_cache(B, S, K, H)
    for i in range(S):
        cache = update_cache(
            cache,
            keras.ops.array(key[:, :, i : i + 1]),
            keras.ops.array(value[:, :, i : i + 1]),
            i,
        )
    for name in ("key", "value"):
        np.testing.assert_array_equal(
            to_numpy(cache[name]), to_numpy(at_once[name])
        )


@pytest.mark.parametrize(
    "num_tokens,index", [(1, 5), (2, 4), (6, 0), (1, -1), (6, None)]
)
def test_a_full_cache_is_refused(num_tokens, index):
    """Known indices are checked; too many tokens at once always are."""
    key, value = (keras.ops.array(x) for x in new(num_tokens))
    cache = empty_cache(B, S, K, H)
    given = keras.ops.convert_to_tensor(0 if index is None else index, "int32")
    with pytest.raises(ValueError, match="max_length=5.*larger max_length"):
        update_cache(cache, key, value, given)


def test_filled_places_are_those_before_the_end():
    cache = empty_cache(B, S, K, H)
    for index in (1, keras.ops.convert_to_tensor(1, "int32")):
        assert to_numpy(filled_mask(cache, 2, index)).tolist() == [
            [True, True, True, False, False]
        ]


def test_a_cache_of_another_shape_is_refused():
    check_cache(empty_cache(B, S, K, H), K, H)
    with pytest.raises(ValueError, match="num_key_value_heads=2"):
        check_cache(empty_cache(B, S, K, H), 2, H)
    with pytest.raises(ValueError, match="head_dim=8"):
        check_cache(empty_cache(B, S, K, H), K, 8)
    with pytest.raises(ValueError, match="empty_cache.*tuple"):
        check_cache((1, 2), K, H)


@needs_tensorflow
def test_an_unknown_index_converts_to_built_in_operations():
    """Axis 1, the heads here, is unknown to the converter as well."""

    def function(key, index):
        cache = empty_cache(1, S, K, H)
        return update_cache(cache, key, key, index[0])["value"]

    key = new(2)[0][:1]
    index = np.array([3], "int32")
    found = run_converted(
        lambda x, index: function(keras.ops.reshape(x, (1, K, 2, H)), index),
        x=key,
        index=index,
    )
    np.testing.assert_array_equal(found[:, :, 3:], key)
    assert not found[:, :, :3].any()


def decoded(layer, inputs, steps, max_length, positions_mask=None):
    """Outputs of calls that take `steps` tokens each, through a cache."""
    cache = empty_cache(
        len(inputs), max_length, layer.num_key_value_heads or 2, 4
    )
    outputs, index = [], 0
    for step in steps:
        found, cache = layer(
            inputs[:, index : index + step],
            padding_mask=positions_mask,
            use_causal_mask=True,
            cache=cache,
            cache_index=index,
        )
        outputs.append(to_numpy(found))
        index += step
    return np.concatenate(outputs, axis=1)


@pytest.mark.slow
@every_position
@pytest.mark.parametrize("num_key_value_heads", [None, 1])
@pytest.mark.parametrize("steps", [[1] * 7, [4, 1, 2], [7]], ids=str)
def test_cached_equals_uncached(positions, num_key_value_heads, steps):
    layer = attention(
        positions=positions, num_key_value_heads=num_key_value_heads
    )
    inputs = sequences(length=LENGTH, dim=DIM)
    expected = to_numpy(layer(inputs, use_causal_mask=True))
    for max_length in (7, 10):  # what is not filled may not count
        found = decoded(layer, inputs, steps, max_length)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_padded_prompt_in_the_cache_equals_uncached():
    layer = attention(positions="rotary")
    inputs = sequences(length=LENGTH, dim=DIM)
    real = np.ones((2, 10), bool)
    real[1, 2:4] = False
    expected = layer(
        inputs, padding_mask=real[:, :LENGTH], use_causal_mask=True
    )
    found = decoded(layer, inputs, [4, 1, 1, 1], 10, real)
    np.testing.assert_allclose(found, to_numpy(expected), atol=1e-5)


def test_without_a_causal_mask_all_that_is_filled_is_attended():
    layer = attention()
    inputs = sequences(length=LENGTH, dim=DIM)
    cache = empty_cache(2, 10, 2, 4)
    _, cache = layer(inputs[:, :4], cache=cache, cache_index=0)
    found, scores, _ = layer(
        inputs[:, 4:],
        cache=cache,
        cache_index=keras.ops.convert_to_tensor(4, "int32"),
        return_attention_scores=True,
    )
    expected = to_numpy(layer(inputs))[:, 4:]
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)
    assert to_numpy(scores).shape == (2, 2, 3, 10)
    assert not to_numpy(scores)[..., 7:].any()


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"cache_index": 4}, "full.*max_length=10"),
        ({}, "cache_index"),
        ({"cache_index": 0, "cache": empty_cache(2, 9, 1, 4)}, "heads=2"),
        ({"cache_index": 0, "cache": empty_cache(2, 9, 2, 8)}, "head_dim=4"),
        ({"cache_index": 0, "cache": [1, 2]}, "dict"),
    ],
    ids=["full", "no index", "heads", "head_dim", "kind"],
)
def test_wrong_caches_are_refused(arguments, said):
    cache = empty_cache(2, 10, 2, 4)
    with pytest.raises(ValueError, match=said):
        attention()(
            sequences(length=LENGTH, dim=DIM), **{"cache": cache, **arguments}
        )


def test_a_narrow_cache_serves_a_layer_of_its_dtype():
    layer = attention(dtype="mixed_bfloat16")
    inputs = sequences(length=LENGTH, dim=DIM)
    cache = empty_cache(2, 10, 2, 4, layer.compute_dtype)
    found, cache = layer(
        inputs, use_causal_mask=True, cache=cache, cache_index=0
    )
    assert keras.backend.standardize_dtype(cache["key"].dtype) == "bfloat16"
    expected = to_numpy(layer(inputs, use_causal_mask=True))
    np.testing.assert_allclose(to_numpy(found), expected, atol=2e-2)


def test_the_symbolic_shapes_with_a_cache_are_the_real_ones():
    inputs = keras.Input((1, DIM))
    cache = {
        name: keras.Input((2, 10, 4), name=name) for name in ("key", "value")
    }
    index = keras.Input((), batch_size=None, dtype="int32")
    outputs, scores, after = attention()(
        inputs,
        cache=cache,
        cache_index=index,
        return_attention_scores=True,
    )
    assert outputs.shape == (None, 1, DIM)
    assert scores.shape == (None, 2, 1, 10)
    assert after["key"].shape == after["value"].shape == (None, 2, 10, 4)


@needs_tensorflow
@pytest.mark.parametrize("positions", ["rotary", "relative", "t5"])
def test_a_step_of_decoding_converts_to_built_in_operations(positions):
    """A fixed cache, an index that only the caller knows."""
    layer = attention(positions=positions, num_key_value_heads=1)
    inputs = sequences(batch=1, length=5, dim=DIM)

    def step(x, index):
        key = keras.ops.zeros((1, 1, 6, 4)) + 0.1
        cache = {"key": key, "value": key}
        outputs, cache = layer(
            x[:, 4:], use_causal_mask=True, cache=cache, cache_index=index[0]
        )
        return keras.ops.concatenate(
            [outputs[..., :4], cache["value"][:, 0]], axis=1
        )

    index = np.array([3], "int32")
    found = run_converted(
        lambda x, index: step(keras.ops.reshape(x, (1, 5, DIM)), index),
        x=inputs,
        index=index,
    )
    expected = to_numpy(step(inputs, index))
    np.testing.assert_allclose(found, expected, atol=1e-5)
