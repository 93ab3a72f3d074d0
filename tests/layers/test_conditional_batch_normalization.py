import numpy as np
import pytest

from keras_selfattn.layers import ConditionalBatchNormalization
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.reference import below, dense, weights_of
from tests.round_trip import assert_round_trip

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(1.0, 2.0, size=(3, 4, 5, 6)).astype("float32")
CONDITION = RANDOM.normal(size=(3, 2)).astype("float32")


def expected(w, mean, variance):
    normed = (X - mean) / np.sqrt(variance + 1e-5)
    gain = dense(CONDITION, below(w, "gain"))[:, None, None]
    bias = dense(CONDITION, below(w, "bias"))[:, None, None]
    return normed * (1 + gain) + bias


@pytest.mark.backend
def test_equals_the_equations_in_training_and_elsewhere(tmp_path):
    layer = ConditionalBatchNormalization(momentum=0.75, name="layer")
    layer.build(X.shape, CONDITION.shape)
    w = weights_of(draw_weights(layer))
    moving = w["norm/moving_mean"], w["norm/moving_variance"]
    found = to_numpy(layer(X, CONDITION))
    np.testing.assert_allclose(found, expected(w, *moving), atol=1e-4)
    assert_round_trip(layer, tmp_path, x=X, condition=CONDITION)
    own = X.mean((0, 1, 2), "float64"), X.var((0, 1, 2), dtype="float64")
    found = to_numpy(layer(X, CONDITION, training=True))
    np.testing.assert_allclose(found, expected(w, *own), atol=1e-4)
    after = weights_of(layer)
    for name, before, now in zip(("mean", "variance"), moving, own):
        np.testing.assert_allclose(
            after[f"norm/moving_{name}"],
            0.75 * before + 0.25 * now,
            atol=1e-4,
        )
