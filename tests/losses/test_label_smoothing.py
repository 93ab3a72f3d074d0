import keras
import numpy as np
import pytest

from keras_selfattn.losses.label_smoothing import smoothed_cross_entropy
from tests.arrays import to_numpy
from tests.gradients import gradients

IDS = np.array([[3, 1, 0], [2, 0, 0]], "int32")
LOGITS = 3 * np.random.default_rng(0).normal(size=(2, 3, 5)).astype("float32")


def reference(smoothing):
    logits = LOGITS.astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    labels = (1 - smoothing) * np.eye(5)[IDS] + smoothing / 5
    return -(labels * logs).sum(-1) * (IDS != 0)


@pytest.mark.backend
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_equals_the_reference(smoothing):
    found = to_numpy(smoothed_cross_entropy(IDS, LOGITS, smoothing))
    np.testing.assert_allclose(found, reference(smoothing), atol=1e-5)


@pytest.mark.backend
def test_padding_gives_no_gradient_and_all_are_finite():
    logits = keras.Variable(100 * LOGITS)

    def loss():
        return keras.ops.sum(smoothed_cross_entropy(IDS, logits, 0.1))

    value, (found,) = gradients(loss, [logits])
    assert np.isfinite(value)
    assert np.isfinite(found).all()
    assert not found[IDS == 0].any()
    assert np.abs(found[IDS != 0]).max() > 0.1


def test_half_precision_is_computed_in_float32():
    exact = to_numpy(smoothed_cross_entropy(IDS, LOGITS, 0.1))
    narrow = keras.ops.cast(LOGITS, "bfloat16")
    found = smoothed_cross_entropy(IDS, narrow, 0.1)
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
    np.testing.assert_allclose(to_numpy(found), exact, atol=0.1)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0])
def test_the_smoothing_has_a_range(smoothing):
    with pytest.raises(ValueError, match="expected 0 <= it < 1"):
        smoothed_cross_entropy(IDS, LOGITS, smoothing)
