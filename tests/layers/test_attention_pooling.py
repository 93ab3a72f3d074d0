import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_pooling import AttentionPooling
from tests import reference
from tests.arrays import TOLERANCES, prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

MASK = prefix_mask([7, 4], 7)


def pooling(**kwargs):
    layer = AttentionPooling(name="pooling", **kwargs)
    layer.build((None, None, 8))
    return draw_weights(layer)


def pool(x, w, mask=None):
    """The mean of each row's real positions, by a loop: `(B, D)`, weights."""
    x = np.asarray(x, "float64")
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    pooled, weights = np.zeros((len(x), x.shape[-1])), np.zeros(x.shape[:2])
    for b in range(len(x)):
        real = np.flatnonzero(mask[b])
        if len(real):
            judged = np.tanh(
                reference.dense(x[b, real], reference.below(w, "projection"))
            )
            exponentials = np.exp(judged @ w["context"][:, 0])
            weights[b, real] = exponentials / exponentials.sum()
        pooled[b] = weights[b] @ x[b]
    return pooled, weights


@pytest.mark.parametrize("attention_dim", [None, 3])
@pytest.mark.parametrize("mask", [None, MASK, prefix_mask([7, 0], 7)])
def test_equals_the_reference(attention_dim, mask):
    layer = pooling(attention_dim=attention_dim)
    inputs = sequences()
    expected, weights = pool(inputs, reference.weights_of(layer), mask)
    outputs, scores = layer(
        inputs, padding_mask=mask, return_attention_scores=True
    )
    np.testing.assert_allclose(to_numpy(outputs), expected, atol=1e-5)
    np.testing.assert_allclose(to_numpy(scores), weights, atol=1e-5)
    alone = layer(inputs, padding_mask=mask)
    np.testing.assert_array_equal(to_numpy(alone), to_numpy(outputs))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_equals_the_reference_in_narrow_floats(policy):
    layer = pooling(dtype=policy)
    inputs = sequences()
    expected, _ = pool(inputs, reference.weights_of(layer), MASK)
    outputs = layer(inputs, padding_mask=MASK)
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    assert dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(
        to_numpy(outputs), expected, atol=TOLERANCES[policy]
    )


def test_padding_content_cannot_change_the_outputs():
    layer, inputs = pooling(), sequences()
    clean = to_numpy(layer(inputs, padding_mask=MASK))
    spoilt = to_numpy(layer(spoil(inputs, MASK), padding_mask=MASK))
    np.testing.assert_allclose(spoilt, clean, atol=1e-6)
    alone = to_numpy(layer(inputs[1:, :4]))
    np.testing.assert_allclose(clean[1:], alone, atol=1e-5)


def test_gradients_are_finite_and_reach_every_weight():
    layer, inputs = pooling(), sequences()

    def loss():
        outputs = layer(inputs, padding_mask=prefix_mask([7, 0], 7))
        return keras.ops.mean(keras.ops.square(outputs))

    assert_finite_and_used(layer, loss)


def test_the_attention_dim_changes_the_outputs():
    inputs = sequences()
    changed = to_numpy(pooling(attention_dim=3)(inputs))
    assert np.abs(changed - to_numpy(pooling()(inputs))).max() > 1e-2


def test_the_symbolic_shapes_are_the_real_ones():
    outputs, scores = pooling()(
        keras.Input((None, 8)), return_attention_scores=True
    )
    assert outputs.shape == (None, 8)
    assert scores.shape == (None, None)


def test_keras_file_round_trip(tmp_path):
    layer = pooling(attention_dim=3)
    assert_round_trip(layer, tmp_path, inputs=sequences(), padding_mask=MASK)


@pytest.mark.parametrize("dim", [0, 2.0])
def test_a_wrong_attention_dim_is_refused(dim):
    with pytest.raises(ValueError, match=f"attention_dim.*{dim}"):
        AttentionPooling(dim)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = pooling()
    x, mask = sequences(batch=1), prefix_mask([5], 7)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, padding_mask=mask)), atol=1e-5
    )
