import keras
import numpy as np
import pytest

from keras_selfattn.losses.cross_entropy import SmoothedCrossEntropy

pytestmark = pytest.mark.backend

LOGITS = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
IDS = np.array([0, 2, 1, 2], "int32")


def reference(targets, weights=1.0):
    logits = LOGITS.astype("float64")
    logs = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    return np.mean(-(targets * logs).sum(-1) * weights)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_the_equation(smoothing):
    targets = (1 - smoothing) * np.eye(3)[IDS] + smoothing / 3
    found = SmoothedCrossEntropy(smoothing)(IDS, LOGITS)
    assert float(found) == pytest.approx(reference(targets), rel=1e-5)


def test_probabilities_are_targets_too_and_weights_count():
    soft = np.random.default_rng(1).dirichlet([1, 1, 1], 4).astype("float32")
    loss = SmoothedCrossEntropy()
    assert float(loss(soft, LOGITS)) == pytest.approx(reference(soft), rel=1e-5)
    weights = np.array([0, 1, 2, 0.5], "float32")
    found = loss(IDS[:, None], LOGITS, sample_weight=weights)
    wanted = reference(np.eye(3)[IDS], weights)
    assert float(found) == pytest.approx(wanted, rel=1e-5)


def test_it_is_rebuilt_from_its_config():
    loss = SmoothedCrossEntropy(0.2)
    config = keras.saving.serialize_keras_object(loss)
    again = keras.saving.deserialize_keras_object(config)
    assert again.label_smoothing == 0.2
    with pytest.raises(ValueError, match="label_smoothing=1"):
        SmoothedCrossEntropy(1)
