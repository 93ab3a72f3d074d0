"""Both forms against the equation, on every backend."""

import keras
import numpy as np
import pytest

from keras_selfattn.losses import SmoothedCrossEntropy, smoothed_cross_entropy
from keras_selfattn.losses.cross_entropy import token_mean
from tests.arrays import to_numpy
from tests.gradients import gradients

LOGITS = 3 * np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")
IDS = np.array([[3, 1, 0], [2, 0, 0]], "int32")


def reference(targets, logits=LOGITS):
    logits = logits.astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return -(targets * logs).sum(-1)


@pytest.mark.backend
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_equals_the_equation(smoothing):
    targets = (1 - smoothing) * np.eye(5)[IDS] + smoothing / 5
    found = to_numpy(smoothed_cross_entropy(IDS, LOGITS, smoothing))
    np.testing.assert_allclose(found, reference(targets), atol=1e-5)


@pytest.mark.backend
def test_probabilities_are_labels_too():
    soft = np.random.default_rng(1).dirichlet(np.ones(5), (2, 3))
    found = smoothed_cross_entropy(soft.astype("float32"), LOGITS, 0.1)
    expected = reference(0.9 * soft + 0.1 / 5)
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)


@pytest.mark.backend
def test_large_logits_have_finite_gradients():
    logits = keras.Variable(100 * LOGITS)

    def loss():
        return keras.ops.sum(smoothed_cross_entropy(IDS, logits, 0.1))

    value, (found,) = gradients(loss, [logits])
    assert np.isfinite(value)
    chances = np.exp(100 * LOGITS - (100 * LOGITS).max(-1, keepdims=True))
    chances /= chances.sum(-1, keepdims=True)
    expected = chances - (0.9 * np.eye(5)[IDS] + 0.1 / 5)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_half_precision_is_computed_in_float32():
    exact = to_numpy(smoothed_cross_entropy(IDS, LOGITS, 0.1))
    narrow = keras.ops.cast(LOGITS, "bfloat16")
    found = smoothed_cross_entropy(IDS, narrow, 0.1)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(found), exact, atol=0.1)


@pytest.mark.backend
def test_as_a_loss_weights_count():
    ids, logits = np.array([0, 2, 1, 2], "int32"), LOGITS[0, :, :3]
    logits = np.concatenate([logits, logits[:1] + 1])
    weights = np.array([0, 1, 2, 0.5], "float32")
    costs = reference(0.8 * np.eye(3)[ids] + 0.2 / 3, logits)
    loss = SmoothedCrossEntropy(0.2)
    for y_true in (ids, ids[:, None], np.eye(3, dtype="float32")[ids]):
        assert float(loss(y_true, logits)) == pytest.approx(
            costs.mean(), rel=1e-5
        )
        weighted = loss(y_true, logits, sample_weight=weights)
        assert float(weighted) == pytest.approx(
            (costs * weights).mean(), rel=1e-5
        )


def test_it_is_rebuilt_from_its_config():
    loss = SmoothedCrossEntropy(0.2)
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.label_smoothing == 0.2


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_the_smoothing_has_a_range(smoothing):
    with pytest.raises(ValueError, match=f"smoothing {smoothing} must"):
        smoothed_cross_entropy(IDS, LOGITS, smoothing)
    with pytest.raises(ValueError, match=f"smoothing {smoothing} must"):
        SmoothedCrossEntropy(smoothing)


def test_the_mean_is_over_what_counts_in_the_batch():
    costs = keras.ops.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    counted = np.array([[True, True, False], [True, False, False]])
    assert float(token_mean(costs, counted)) == pytest.approx(11 / 3)
    rows = np.array([1.0, 3.0])
    assert float(token_mean(costs, counted, rows)) == pytest.approx(27 / 5)
    assert float(token_mean(costs, keras.ops.zeros((2, 3)))) == 0
