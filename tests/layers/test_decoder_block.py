import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_cache import empty_cache
from keras_selfattn.layers.decoder_block import DecoderBlock
from keras_selfattn.layers.local_attention import LocalSelfAttention
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights, relative_path
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

MASK = prefix_mask([7, 4], 7)
CONTEXT_MASK = prefix_mask([3, 5], 5)
LOCAL = {"kind": "local", "window": 2}


def block(**kwargs):
    arguments = {"num_heads": 2, "intermediate_dim": 12}
    layer = DecoderBlock(**{**arguments, **kwargs}, name="block")
    layer.build((None, None, 8), (None, None, 6))
    return draw_weights(layer)


def context():
    return sequences(length=5, dim=6, seed=1)


def cross_attention(x, y, w, num_heads, mask):
    """Queries of x, keys and values of y: the plain formula."""
    query = reference.dense(x, reference.below(w, "query"))
    key, value = (
        reference.dense(np.asarray(y, "float64"), reference.below(w, name))
        for name in ("key", "value")
    )
    size = query.shape[-1] // num_heads
    mixed = np.zeros_like(query)
    for n in range(num_heads):
        part = slice(n * size, (n + 1) * size)
        scores = query[..., part] @ key[..., part].transpose(0, 2, 1)
        scores = np.where(mask[:, None], scores / np.sqrt(size), -np.inf)
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights = scores / scores.sum(axis=-1, keepdims=True)
        mixed[..., part] = weights @ value[..., part]
    return reference.dense(mixed, reference.below(w, "output"))


def decoder_block(x, y, w, activation="gelu", norm_first=True, norm="layer"):
    def attend(z):
        mask = MASK[:, None, None] & np.tri(7, dtype=bool)
        return reference.attention(
            z, reference.below(w, "attention"), 2, None, mask
        )[0]

    def look(z):
        below = reference.below(w, "cross_attention")
        return cross_attention(z, y, below, 2, CONTEXT_MASK)

    def feed(z):
        below = reference.below(w, "feed_forward")
        return reference.feed_forward(z, below, activation)

    branches = {
        "attention": attend,
        "cross_attention": look,
        "feed_forward": feed,
    }
    return reference.residual_branches(x, w, branches, norm_first, norm)


def run(layer, inputs, **kwargs):
    arguments = {"padding_mask": MASK, "context_padding_mask": CONTEXT_MASK}
    return to_numpy(layer(inputs, context(), **{**arguments, **kwargs}))


@pytest.mark.parametrize(
    "activation,norm,norm_first",
    [
        ("gelu", "layer", True),
        ("relu", "layer", False),
        ("swiglu", "rms", True),
    ],
)
def test_equals_the_reference(activation, norm, norm_first):
    layer = block(activation=activation, norm=norm, norm_first=norm_first)
    inputs = sequences()
    expected = decoder_block(
        inputs,
        context(),
        reference.weights_of(layer),
        activation,
        norm_first,
        norm,
    )
    np.testing.assert_allclose(run(layer, inputs), expected, atol=5e-5)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = block(dtype=policy)
    inputs = sequences()
    expected = decoder_block(inputs, context(), reference.weights_of(layer))
    np.testing.assert_allclose(
        run(layer, inputs), expected, atol=2 * TOLERANCES[policy]
    )


def test_its_weights():
    names = {relative_path(block(), weight) for weight in block().weights}
    dense = [
        f"{attention}/{name}"
        for attention in ("attention", "cross_attention")
        for name in ("query", "key", "value", "output")
    ]
    dense += ["feed_forward/expand", "feed_forward/contract"]
    norms = [
        f"{part}_norm"
        for part in ("attention", "cross_attention", "feed_forward")
    ]
    assert names == {
        *(f"{name}/{kind}" for name in dense for kind in ("kernel", "bias")),
        *(f"{name}/{kind}" for name in norms for kind in ("gamma", "beta")),
    }


@pytest.mark.parametrize("attention", [None, LOCAL], ids=str)
def test_the_future_cannot_leak(attention):
    layer, inputs = block(attention=attention), sequences()
    changed = inputs.copy()
    changed[:, 4:] = 9.0
    before, after = run(layer, inputs), run(layer, changed)
    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-6)
    assert np.abs(after[:, 4:] - before[:, 4:]).max() > 0.1


def test_padding_content_cannot_change_valid_outputs():
    layer, inputs = block(), sequences()
    clean = run(layer, inputs)
    spoilt = to_numpy(
        layer(
            spoil(inputs, MASK),
            spoil(context(), CONTEXT_MASK),
            padding_mask=MASK,
            context_padding_mask=CONTEXT_MASK,
        )
    )
    np.testing.assert_allclose(spoilt[MASK], clean[MASK], atol=1e-5)


def test_a_bias_is_that_of_the_self_attention():
    """One that hides all but the token itself: no other changes it."""
    layer, inputs = block(), sequences()
    bias = np.where(np.eye(7, dtype=bool), 0.0, -1e9).astype("float32")
    before = run(layer, inputs, attention_bias=bias)
    changed = np.array(inputs)
    changed[:, 0] += 1.0
    after = run(layer, changed, attention_bias=bias)
    np.testing.assert_allclose(after[:, 1:], before[:, 1:], atol=1e-5)
    assert np.abs(run(layer, inputs) - before)[:, 1:].max() > 1e-2


def test_all_of_the_context_is_seen():
    layer, inputs = block(), sequences()
    usual = run(layer, inputs)
    for place in range(3):
        changed = context()
        changed[0, place] += 3.0
        found = to_numpy(
            layer(
                inputs,
                changed,
                padding_mask=MASK,
                context_padding_mask=CONTEXT_MASK,
            )
        )
        assert np.abs(found - usual)[0].max(axis=-1).min() > 1e-3
        assert np.abs(found - usual)[1].max() == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments,places",
    [
        ({}, 7),
        ({"positions": "rotary"}, 9),
        ({"positions": "relative", "attention": LOCAL}, 2),
    ],
    ids=str,
)
def test_token_by_token_equals_the_whole(arguments, places):
    layer, inputs = block(**arguments), sequences()
    whole = run(layer, inputs, padding_mask=None)
    cache = {
        "self": empty_cache(2, places, 2, 4),
        "context": layer.cross_attention.context_cache(context()),
    }
    for i in range(7):
        token, cache = layer(
            inputs[:, i : i + 1],
            context_padding_mask=CONTEXT_MASK,
            cache=cache,
            cache_index=i,
        )
        np.testing.assert_allclose(
            to_numpy(token)[:, 0], whole[:, i], atol=2e-5
        )


def test_a_cache_is_left_as_it_was():
    layer = block()
    cache = {
        "self": empty_cache(2, 3, 2, 4),
        "context": layer.cross_attention.context_cache(context()),
    }
    parts = dict(cache)
    _, moved = layer(sequences(length=1), cache=cache, cache_index=0)
    assert cache == parts
    assert not to_numpy(cache["self"]["key"]).any()
    assert to_numpy(moved["self"]["key"]).any()
    for name, kept in cache["context"].items():
        np.testing.assert_array_equal(
            to_numpy(moved["context"][name]), to_numpy(kept)
        )


@pytest.mark.parametrize(
    "cache,said",
    [
        ({"key": 1, "value": 2}, "'key', 'value'.*'self'"),
        ({"self": 1}, "'self'.*context_cache"),
        (3, "int.*'self'"),
    ],
)
def test_other_caches_are_refused(cache, said):
    with pytest.raises(ValueError, match=said):
        block()(sequences(), cache=cache, cache_index=0)


def test_an_attention_that_sees_the_future_is_refused():
    with pytest.raises(ValueError, match="NystromSelfAttention.*cannot be"):
        block(attention="nystrom")(sequences(), context())


@pytest.mark.parametrize("norm_first", [True, False])
def test_gradients_are_finite_and_reach_every_weight(norm_first):
    layer, inputs = block(norm_first=norm_first), sequences()

    def loss():
        outputs = layer(
            inputs,
            context(),
            padding_mask=prefix_mask([7, 0], 7),
            context_padding_mask=prefix_mask([3, 0], 5),
            training=True,
        )
        return keras.ops.mean(keras.ops.multiply(outputs, inputs) ** 2)

    assert_finite_and_used(layer, loss, ("key/bias",))


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences()
    calm = run(block(dropout=0.3), inputs)
    np.testing.assert_array_equal(run(block(), inputs), calm)
    dropped, again, other = (
        run(block(dropout=0.3, seed=seed), inputs, training=True)
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
        {"activation": "swiglu"},
        {"positions": "rotary"},
        {"norm_first": False},
        {"norm": "rms"},
        {"attention": LOCAL},
        {"use_bias": False},
        {"cross_attention": {"scale": 2.0}},
        {"cross_attention": {"use_bias": False}},
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(change):
    usual = run(block(), sequences())
    assert np.abs(run(block(**change), sequences()) - usual).max() > 1e-3


@pytest.mark.parametrize(
    "arguments",
    [
        {"positions": "relative", "activation": "silu", "dropout": 0.1},
        {"attention": LocalSelfAttention(2, window=3), "norm": "rms"},
        {
            "attention": {"kind": "full", "head_dim": 3},
            "cross_attention": {"head_dim": 5, "scale": 1.0},
            "norm": {"kind": "rms", "epsilon": 1e-3},
            "use_bias": False,
        },
    ],
    ids=["plain", "layer", "T5"],
)
def test_keras_file_round_trip(arguments, tmp_path):
    assert_round_trip(
        block(**arguments),
        tmp_path,
        inputs=sequences(),
        context=context(),
        padding_mask=MASK,
    )


def test_attention_to_the_context_comes_on_request():
    layer, inputs = block(), sequences()
    outputs, scores = layer(
        inputs,
        context(),
        context_padding_mask=CONTEXT_MASK,
        return_attention_scores=True,
    )
    assert scores.shape == (2, 2, 7, 5)
    np.testing.assert_allclose(
        to_numpy(outputs), run(layer, inputs, padding_mask=None), atol=1e-5
    )
    scores = to_numpy(scores)
    np.testing.assert_allclose(scores.sum(-1), 1.0, atol=1e-5)
    assert not scores[0, :, :, 3:].any()
    cache = {
        "self": empty_cache(2, 7, 2, 4),
        "context": layer.cross_attention.context_cache(context()),
    }
    step = layer(
        inputs[:, :2],
        context_padding_mask=CONTEXT_MASK,
        cache=cache,
        cache_index=0,
        return_attention_scores=True,
    )
    np.testing.assert_allclose(to_numpy(step[1]), scores[:, :, :2], atol=1e-5)
    assert set(step[2]) == {"self", "context"}
    spec = layer.compute_output_spec(
        keras.KerasTensor((2, 7, 8)),
        keras.KerasTensor((2, 5, 6)),
        return_attention_scores=True,
    )
    assert [part.shape for part in spec] == [(2, 7, 8), (2, 2, 7, 5)]


def test_the_symbolic_shapes_are_the_real_ones():
    layer = block()
    inputs = keras.Input((None, 8))
    assert layer(inputs, keras.Input((None, 6))).shape == (None, None, 8)
    cache = {
        part: {name: keras.Input((2, 9, 4)) for name in ("key", "value")}
        for part in ("self", "context")
    }
    outputs, found = layer(inputs, cache=cache, cache_index=0)
    assert outputs.shape == (None, None, 8)
    assert found["self"]["key"].shape == (None, 2, 9, 4)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = block(positions="rotary")
    x, y = sequences(batch=1), sequences(1, 5, 6)
    mask = prefix_mask([4], 5)
    found = run_converted(
        lambda x, y, mask: layer(x, y, context_padding_mask=mask),
        x=x,
        y=y,
        mask=mask,
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, y, context_padding_mask=mask)), atol=2e-5
    )
