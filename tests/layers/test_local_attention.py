import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keras_selfattn.layers import masks
from keras_selfattn.layers.attention_cache import empty_cache
from keras_selfattn.layers.local_attention import LocalSelfAttention
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights, relative_path
from tests.gradients import assert_finite_and_used
from tests.intermediates import largest_intermediate
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

DIM = 8
WINDOW = {"window": 3, "right": 1}
CHUNK = {"chunk_size": 4, "left_context": 3}
either = pytest.mark.parametrize("reach", [WINDOW, CHUNK], ids=str)


def built(layer):
    layer.build((None, None, DIM))
    return draw_weights(layer)


def local(**kwargs):
    return built(LocalSelfAttention(2, name="attention", **kwargs))


def seen(length, window=None, right=0, chunk_size=None, left_context=0):
    """Who sees whom, bool `(T, T)`, by the words of the docstring."""
    mask = np.zeros((length, length), bool)
    for i in range(length):
        first, last = i, i + 1
        if window is not None:
            first, last = i - window, i + right + 1
        else:
            start = i - i % chunk_size
            first, last = start - left_context, start + chunk_size
        mask[i, max(first, 0) : last] = True
    return mask


@pytest.mark.slow
@pytest.mark.parametrize("positions", [None, "rotary", "relative"])
@either
def test_equals_the_reference(reach, positions):
    layer = local(positions=positions, **reach)
    inputs = sequences(length=11)
    padding = prefix_mask([11, 6], 11)
    expected, _ = reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        positions,
        padding[:, None, None] & seen(11, **reach),
    )
    outputs = layer(inputs, padding_mask=padding)
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    "positions", [None, "rotary", "relative", "alibi", "t5"]
)
@pytest.mark.parametrize(
    "reach",
    [
        {"window": 20, "right": 9},
        {"window": 150},
        {"window": 0, "right": 40},
        {"window": 200, "right": 200},
        {"chunk_size": 16, "left_context": 20},
        {"chunk_size": 100, "left_context": 0},
    ],
    ids=str,
)
def test_equals_full_attention_under_the_mask(reach, positions):
    """Several blocks, a last one that is not full, and two kinds of reach."""
    length = 150
    layer = local(positions=positions, num_key_value_heads=1, **reach)
    full = built(
        MultiHeadSelfAttention(
            2, positions=positions, num_key_value_heads=1, name="attention"
        )
    )
    if "window" in reach:
        mask = masks.local_mask(length, reach["window"], reach.get("right", 0))
    else:
        mask = masks.chunk_mask(
            length, reach["chunk_size"], reach["left_context"]
        )
    inputs = sequences(length=length)
    padding = prefix_mask([150, 61], length)
    for causal in (False, True):
        found = layer(inputs, padding_mask=padding, use_causal_mask=causal)
        expected = full(
            inputs,
            padding_mask=padding,
            attention_mask=mask,
            use_causal_mask=causal,
        )
        np.testing.assert_allclose(
            to_numpy(found), to_numpy(expected), atol=1e-5
        )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:You are using a softmax over axis")
@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.data())
def test_equals_the_reference_for_any_reach_and_length(data):
    length = data.draw(st.integers(1, 12))
    if data.draw(st.booleans()):
        reach = {
            "window": data.draw(st.integers(0, 13)),
            "right": data.draw(st.integers(0, 13)),
        }
    else:
        reach = {
            "chunk_size": data.draw(st.integers(1, 13)),
            "left_context": data.draw(st.integers(0, 13)),
        }
    padding = np.array(
        data.draw(st.lists(st.booleans(), min_size=length, max_size=length))
    )[None]
    layer = local(**reach)
    inputs = sequences(batch=1, length=length)
    expected, _ = reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        None,
        padding[:, None, None] & seen(length, **reach),
    )
    outputs = layer(inputs, padding_mask=padding)
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=2e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = local(dtype=policy, positions="rotary", **WINDOW)
    inputs = sequences(length=11)
    expected, _ = reference.attention(
        inputs,
        reference.weights_of(layer),
        2,
        "rotary",
        seen(11, **WINDOW),
    )
    outputs = layer(inputs)
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    assert dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(
        to_numpy(outputs), expected, atol=TOLERANCES[policy]
    )


def test_its_weights_are_those_of_full_attention():
    def paths(layer):
        return [relative_path(layer, weight) for weight in layer.weights]

    for positions in (None, "relative", "t5"):
        full = MultiHeadSelfAttention(2, positions=positions)
        assert paths(local(positions=positions, **WINDOW)) == paths(built(full))


def test_never_makes_a_tensor_of_length_by_length():
    """Twice the length, twice the largest tensor, and far below T x T."""

    def largest(length):
        return largest_intermediate(layer, sequences(1, length))

    for reach in ({"window": 16}, {"chunk_size": 16, "left_context": 16}):
        layer = local(positions="relative", **reach)
        assert largest(2048) == 2 * largest(1024)
        assert largest(2048) < 2048 * 2048 / 10
    full = built(MultiHeadSelfAttention(2, positions="relative"))
    layer = full
    assert largest(512) >= 512 * 512  # so it would be seen


@either
def test_padding_content_cannot_change_valid_outputs(reach):
    layer = local(positions="relative", **reach)
    inputs = sequences(length=11)
    padding = prefix_mask([11, 6], 11)
    clean = to_numpy(layer(inputs, padding_mask=padding))
    spoilt = to_numpy(layer(spoil(inputs, padding), padding_mask=padding))
    np.testing.assert_allclose(spoilt[padding], clean[padding], atol=1e-6)
    cut = to_numpy(layer(inputs[1:, :6]))
    np.testing.assert_allclose(clean[1:, :6], cut, atol=1e-5)


def test_only_the_reach_is_seen():
    layer = local(**WINDOW)
    inputs = sequences(length=11)
    changed = inputs.copy()
    changed[:, 5] = 50.0
    moved = np.abs(to_numpy(layer(changed)) - to_numpy(layer(inputs)))
    # Position 5 is the future of 4 and the past of 6, 7 and 8.
    assert (moved.max(axis=(0, 2)) > 1e-3).nonzero()[0].tolist() == [
        4,
        5,
        6,
        7,
        8,
    ]
    moved = np.abs(
        to_numpy(layer(changed, use_causal_mask=True))
        - to_numpy(layer(inputs, use_causal_mask=True))
    )
    assert moved[:, :5].max() == 0


def test_a_query_with_nothing_to_attend_gives_zeros():
    layer = local(use_bias=False, **WINDOW)
    outputs = layer(sequences(), padding_mask=prefix_mask([7, 0], 7))
    assert not to_numpy(outputs)[1].any()
    assert np.abs(to_numpy(outputs)[0]).max() > 0.01


@pytest.mark.slow
@pytest.mark.parametrize("positions", [None, "rotary", "relative", "t5"])
@pytest.mark.parametrize("reach", [{"window": 5}, CHUNK], ids=str)
def test_pieces_with_a_cache_equal_the_whole(reach, positions):
    layer = local(positions=positions, num_key_value_heads=1, **reach)
    inputs = sequences(length=12)
    padding = prefix_mask([12, 10], 12)
    whole = to_numpy(layer(inputs, padding_mask=padding))
    left = reach.get("window", reach.get("left_context"))
    cache = empty_cache(2, left, 1, 4)
    pieces = []
    for start in range(0, 12, 4):
        piece, cache = layer(
            inputs[:, start : start + 4],
            padding_mask=np.concatenate(
                [np.ones((2, left), bool), padding[:, start : start + 4]],
                axis=1,
            ),
            cache=cache,
            cache_index=start,
        )
        pieces.append(to_numpy(piece))
    assert cache["key"].shape == (2, 1, left, 4)
    np.testing.assert_allclose(
        np.concatenate(pieces, axis=1)[padding], whole[padding], atol=1e-5
    )


def test_token_by_token_equals_the_whole():
    layer = local(window=3)
    inputs = sequences(length=6)
    whole = to_numpy(layer(inputs))
    cache = empty_cache(2, 3, 2, 4)
    for i in range(6):
        token, cache = layer(
            inputs[:, i : i + 1],
            cache=cache,
            cache_index=keras.ops.convert_to_tensor(i, "int32"),
        )
        np.testing.assert_allclose(
            to_numpy(token)[:, 0], whole[:, i], atol=1e-5
        )


@pytest.mark.parametrize(
    "reach,cache,index,said",
    [
        (WINDOW, (2, 3, 2, 4), 0, "right=1 looks into the future"),
        ({"window": 3}, (2, 3, 2, 4), None, "without cache_index"),
        (CHUNK, (2, 3, 2, 4), 6, "cache_index=6 is inside a chunk of 4"),
        ({"window": 3}, (2, 5, 2, 4), 0, r"5 places.*empty_cache\(batch, 3"),
        ({"window": 3}, (2, 3, 1, 4), 0, "num_key_value_heads=2"),
    ],
)
def test_wrong_caches_are_refused(reach, cache, index, said):
    with pytest.raises(ValueError, match=said):
        local(**reach)(
            sequences(), cache=empty_cache(*cache), cache_index=index
        )


@either
def test_gradients_are_finite_and_reach_every_weight(reach):
    layer = local(positions="relative", **reach)
    inputs = sequences(length=11)
    padding = prefix_mask([11, 0], 11)

    def loss():
        outputs = layer(inputs, padding_mask=padding)
        return keras.ops.mean(keras.ops.square(outputs))

    assert_finite_and_used(layer, loss, ("key/bias",))


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences(length=11)
    layer, twin = local(dropout=0.5, **WINDOW), local(dropout=0.5, **WINDOW)
    other = local(dropout=0.5, seed=1, **WINDOW)
    calm = to_numpy(layer(inputs))
    np.testing.assert_array_equal(to_numpy(local(**WINDOW)(inputs)), calm)
    dropped = to_numpy(layer(inputs, training=True))
    assert np.abs(dropped - calm).max() > 0.01
    np.testing.assert_array_equal(
        to_numpy(twin(inputs, training=True)), dropped
    )
    assert np.abs(to_numpy(other(inputs, training=True)) - dropped).max() > 0


@pytest.mark.parametrize(
    "usual,change",
    [
        (WINDOW, {"window": 2}),
        (WINDOW, {"right": 2}),
        (CHUNK, {"chunk_size": 5}),
        (CHUNK, {"left_context": 1}),
        (WINDOW, {"head_dim": 6}),
        (WINDOW, {"positions": "rotary"}),
        (WINDOW, {"use_bias": False}),
        (WINDOW, {"num_key_value_heads": 1}),
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(usual, change):
    inputs = sequences(length=11)
    before = to_numpy(local(**usual)(inputs))
    after = to_numpy(local(**{**usual, **change})(inputs))
    assert np.abs(after - before).max() > 1e-2


def test_keras_file_round_trip(tmp_path):
    layer = local(
        positions="relative", dropout=0.1, use_bias=False, seed=4, **CHUNK
    )
    assert_round_trip(
        layer,
        tmp_path,
        inputs=sequences(),
        padding_mask=prefix_mask([7, 4], 7),
    )


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({}, "expected one of them"),
        ({"window": 3, "chunk_size": 3}, "expected one of them"),
        ({"window": -1}, "window must be an int >= 0, received -1"),
        ({"window": 2, "right": 0.5}, "right.*0.5"),
        ({"chunk_size": 0}, "chunk_size must be an int >= 1"),
        ({"chunk_size": 4, "right": 2}, "right=2 does not go with chunk"),
        ({"window": 4, "left_context": 2}, "left_context=2 does not go"),
        ({"window": 4, "num_heads": 3}, "8 features.*3"),
        ({"window": 4, "dropout": 1.0}, "dropout"),
        ({"window": 4, "positions": "absolute"}, "absolute"),
        ({"window": 4, "num_heads": 8, "positions": "rotary"}, "head_dim"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        LocalSelfAttention(**{"num_heads": 2, **arguments})(sequences())


def test_a_float_padding_mask_is_refused():
    with pytest.raises(ValueError, match="float32.*bool"):
        local(**WINDOW)(sequences(), padding_mask=np.ones((2, 7), "float32"))


@needs_tensorflow
@either
def test_converts_to_built_in_operations(reach):
    layer = local(positions="rotary", **reach)
    x, mask = sequences(batch=1, length=45), prefix_mask([40], 45)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, padding_mask=mask)), atol=1e-5
    )
