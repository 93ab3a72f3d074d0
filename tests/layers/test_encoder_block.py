import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_cache import empty_cache
from keras_selfattn.layers.attention_positions import RotaryPositions
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.local_attention import LocalSelfAttention
from keras_selfattn.layers.masks import local_mask
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights, relative_path
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

MASK = prefix_mask([7, 4], 7)
either_order = pytest.mark.parametrize("norm_first", [True, False])


def block(**kwargs):
    arguments = {"num_heads": 2, "intermediate_dim": 12}
    layer = EncoderBlock(**{**arguments, **kwargs}, name="block")
    layer.build((None, None, 8))
    return draw_weights(layer)


@either_order
@pytest.mark.parametrize(
    "activation,norm",
    [("gelu", "layer"), ("relu", "layer"), ("swiglu", "rms")],
)
def test_equals_the_reference(norm_first, activation, norm):
    layer = block(norm_first=norm_first, activation=activation, norm=norm)
    inputs = sequences()
    triangle = np.tri(7, dtype=bool)
    expected = reference.encoder_block(
        inputs,
        reference.weights_of(layer),
        2,
        activation,
        norm_first,
        MASK[:, None, None] & triangle,
        norm,
    )
    outputs = layer(inputs, padding_mask=MASK, attention_mask=triangle)
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=5e-5)


def test_a_bias_is_that_of_the_attention():
    layer, inputs = block(), sequences()
    bias = np.where(np.tri(7, dtype=bool), 0.0, -1e9).astype("float32")
    np.testing.assert_allclose(
        to_numpy(layer(inputs, attention_bias=bias)),
        to_numpy(layer(inputs, attention_mask=np.tri(7, dtype=bool))),
        atol=1e-5,
    )


def test_a_causal_mask_is_that_of_the_attention():
    layer, inputs = block(), sequences()
    np.testing.assert_allclose(
        to_numpy(layer(inputs, use_causal_mask=True)),
        to_numpy(layer(inputs, attention_mask=np.tri(7, dtype=bool))),
        atol=1e-5,
    )


LOCAL = {"kind": "local", "window": 2, "right": 1}
LOW_RANK = {"kind": "low_rank", "rank": 3, "max_sequence_length": 9}
NYSTROM = {"kind": "nystrom", "num_landmarks": 3}


def test_takes_local_attention():
    layer, full, inputs = block(attention=LOCAL), block(), sequences()
    np.testing.assert_allclose(
        to_numpy(layer(inputs, padding_mask=MASK)),
        to_numpy(
            full(
                inputs,
                padding_mask=MASK,
                attention_mask=to_numpy(local_mask(7, 2, 1)),
            )
        ),
        atol=1e-5,
    )


@pytest.mark.parametrize("attention", [LOW_RANK, NYSTROM], ids=str)
def test_takes_any_attention(attention):
    """The block around it is the same; the attention is tested alone."""
    layer, inputs = block(attention=attention), sequences()

    def attend(y):
        return to_numpy(layer.attention(y.astype("float32")))

    w = reference.weights_of(layer)
    expected = reference.residual_branches(
        inputs,
        w,
        {
            "attention": attend,
            "feed_forward": lambda y: reference.feed_forward(
                y, reference.below(w, "feed_forward"), "gelu"
            ),
        },
        True,
    )
    np.testing.assert_allclose(to_numpy(layer(inputs)), expected, atol=5e-5)
    with pytest.raises(ValueError, match="use_causal_mask=True cannot"):
        layer(inputs, use_causal_mask=True)


def test_takes_a_layer_as_its_pattern():
    pattern = LocalSelfAttention(4, window=2, right=1, head_dim=3)
    layer = block(attention=pattern)
    assert layer.attention is not pattern
    assert layer.attention.num_heads == 4
    named = {relative_path(layer, weight) for weight in layer.weights}
    assert named == {relative_path(block(), w) for w in block().weights}


def test_a_mask_that_the_attention_cannot_take_is_refused():
    with pytest.raises(ValueError, match="takes no attention_mask"):
        block(attention=LOCAL)(
            sequences(), attention_mask=np.tri(7, dtype=bool)
        )


def test_scores_come_from_the_attention():
    layer, inputs = block(), sequences()
    outputs, scores = layer(
        inputs, padding_mask=MASK, return_attention_scores=True
    )
    np.testing.assert_allclose(
        to_numpy(outputs),
        to_numpy(layer(inputs, padding_mask=MASK)),
        atol=1e-5,
    )
    _, expected = layer.attention(
        layer.attention_norm(inputs),
        padding_mask=MASK,
        return_attention_scores=True,
    )
    np.testing.assert_array_equal(to_numpy(scores), to_numpy(expected))
    symbols = layer(keras.Input((None, 8)), return_attention_scores=True)
    assert [symbol.shape for symbol in symbols] == [
        (None, None, 8),
        (None, 2, None, None),
    ]


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = block(dtype=policy)
    inputs = sequences()
    expected = reference.encoder_block(
        inputs, reference.weights_of(layer), 2, "gelu", True
    )
    np.testing.assert_allclose(
        to_numpy(layer(inputs)), expected, atol=2 * TOLERANCES[policy]
    )


@either_order
def test_padding_content_cannot_change_valid_outputs(norm_first):
    layer = block(norm_first=norm_first)
    inputs = sequences()
    clean = to_numpy(layer(inputs, padding_mask=MASK))
    spoilt = to_numpy(layer(spoil(inputs, MASK), padding_mask=MASK))
    np.testing.assert_allclose(spoilt[MASK], clean[MASK], atol=1e-5)
    alone = to_numpy(layer(inputs[1:, :4]))
    np.testing.assert_allclose(clean[1, :4], alone[0], atol=1e-5)


def test_the_future_cannot_leak_through_a_causal_mask():
    layer = block()
    inputs = sequences()
    changed = inputs.copy()
    changed[:, 4:] = 9.0
    mask = np.tri(7, dtype=bool)
    before, after = (
        to_numpy(layer(values, attention_mask=mask))
        for values in (inputs, changed)
    )
    np.testing.assert_allclose(after[:, :4], before[:, :4], atol=1e-6)
    assert np.abs(after[:, 4:] - before[:, 4:]).max() > 0.1


@either_order
def test_gradients_are_finite_and_reach_every_weight(norm_first):
    layer = block(norm_first=norm_first)
    inputs = sequences()

    def loss():
        outputs = layer(
            inputs, padding_mask=prefix_mask([7, 0], 7), training=True
        )
        return keras.ops.mean(keras.ops.multiply(outputs, inputs) ** 2)

    assert_finite_and_used(layer, loss, ("key/bias",))


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
        {"activation": "relu"},
        {"positions": "rotary"},
        {"positions": "relative"},
        {"norm_first": False},
        {"norm": "rms"},
        {"attention": LOCAL},
        {"attention": LOW_RANK},
        {"attention": NYSTROM},
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(change):
    inputs = sequences()
    usual = to_numpy(block()(inputs))
    assert np.abs(to_numpy(block(**change)(inputs)) - usual).max() > 1e-3


@pytest.mark.parametrize(
    "arguments",
    [
        {"positions": "relative", "norm_first": False, "seed": 3},
        {"attention": LOCAL, "positions": RotaryPositions(fraction=0.5)},
        {"attention": LOW_RANK, "norm": "rms", "activation": "geglu"},
        {"attention": LocalSelfAttention(2, chunk_size=2, left_context=1)},
    ],
    ids=["plain", "local", "low_rank", "layer"],
)
def test_keras_file_round_trip(arguments, tmp_path):
    layer = block(**{"activation": "silu", "dropout": 0.1, **arguments})
    assert_round_trip(layer, tmp_path, inputs=sequences(), padding_mask=MASK)


@pytest.mark.parametrize(
    "arguments,said",
    [
        ({"num_heads": 0}, "num_heads"),
        ({"positions": "absolute"}, "absolute"),
        ({"intermediate_dim": -1}, "intermediate_dim"),
        ({"norm": "batch"}, "norm='batch'"),
        ({"attention": "linear"}, "'linear' is unknown"),
    ],
)
def test_wrong_parameters_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        block(**arguments)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = block(positions="rotary")
    x, mask = sequences(batch=1), prefix_mask([5], 7)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, padding_mask=mask)), atol=2e-5
    )


@either_order
def test_continued_with_a_cache_is_the_causal_block(norm_first):
    layer, inputs = block(norm_first=norm_first), sequences()
    expected = to_numpy(layer(inputs, use_causal_mask=True))
    cache, start = empty_cache(2, 8, 2, 4), 0
    for stop in (3, 4, 7):
        found, cache = layer.continue_cached(
            keras.ops.array(inputs[:, start:stop]), cache, start
        )
        np.testing.assert_allclose(
            to_numpy(found), expected[:, start:stop], atol=1e-5
        )
        start = stop


def test_biases_are_left_out_of_all_products():
    layer = block(use_bias=False)
    paths = [relative_path(layer, variable) for variable in layer.weights]
    assert len(paths) == 10 and not any("bias" in path for path in paths)
    again = EncoderBlock.from_config(layer.get_config())
    assert again.use_bias is False
