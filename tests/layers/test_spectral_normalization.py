import keras
import numpy as np
import pytest

from keras_selfattn.layers import (
    SpectralConv2D,
    SpectralDense,
    SpectralEmbedding,
)
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import gradients
from tests.reference import weights_of
from tests.round_trip import assert_round_trip

X = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype("float32")


def divided(kernel, vector, iterations=0):
    """The kernel over its norm along a vector, and the vector, in float64."""
    matrix = kernel.reshape(-1, kernel.shape[-1])
    for _ in range(iterations):
        left = matrix @ vector
        vector = matrix.T @ (left / np.linalg.norm(left))
        vector = vector / np.linalg.norm(vector)
    vector = vector / np.linalg.norm(vector)
    return kernel / np.linalg.norm(matrix @ vector), vector


def made(layer, shape):
    layer.build(shape)
    return draw_weights(layer)


@pytest.mark.backend
def test_one_iteration_a_training_call_and_none_elsewhere():
    layer = made(SpectralDense(6, name="layer"), (None, 3))
    w = weights_of(layer)
    kernel, _ = divided(w["kernel"], w["singular_vector"])
    expected = X @ kernel + w["bias"]
    np.testing.assert_allclose(to_numpy(layer(X)), expected, atol=1e-5)
    found = weights_of(layer)
    np.testing.assert_array_equal(
        found["singular_vector"], w["singular_vector"]
    )
    kernel, vector = divided(w["kernel"], w["singular_vector"], 1)
    found = to_numpy(layer(X, training=True))
    np.testing.assert_allclose(found, X @ kernel + w["bias"], atol=1e-5)
    after = weights_of(layer)
    np.testing.assert_allclose(after["singular_vector"], vector, atol=1e-5)
    np.testing.assert_array_equal(after["kernel"], w["kernel"])


@pytest.mark.backend
def test_iterations_find_the_largest_singular_value():
    layer = made(SpectralEmbedding(7, 4, name="layer"), (None,))
    ids = np.arange(7, dtype="int32")
    for _ in range(40):
        table = to_numpy(layer(ids, training=True))
    assert np.linalg.norm(table, 2) == pytest.approx(1, abs=1e-4)
    w = weights_of(layer)["embeddings"]
    np.testing.assert_allclose(table, w / np.linalg.norm(w, 2), atol=1e-4)


@pytest.mark.backend
def test_a_convolution_is_that_of_the_divided_kernel(tmp_path):
    layer = made(SpectralConv2D(6, 3, padding="same", name="layer"), X.shape)
    w = weights_of(layer)
    kernel, _ = divided(w["kernel"], w["singular_vector"])
    padded = np.pad(X, ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = sum(
        padded[:, i : i + 5, j : j + 4] @ kernel[i, j]
        for i in range(3)
        for j in range(3)
    )
    np.testing.assert_allclose(
        to_numpy(layer(X)), expected + w["bias"], atol=1e-5
    )
    assert_round_trip(layer, tmp_path, x=X)


@pytest.mark.backend
def test_gradients_pass_the_division():
    layer = made(SpectralDense(2, use_bias=False, name="layer"), (None, 3))
    x = X[0, 0]
    _, (found,) = gradients(
        lambda: keras.ops.sum(layer(x)), layer.trainable_variables
    )
    w = weights_of(layer)
    kernel = w["kernel"]
    expected = np.zeros_like(kernel)
    for place in np.ndindex(kernel.shape):  # by differences
        values = []
        for step in (1e-6, -1e-6):
            changed = kernel.copy()
            changed[place] += step
            values.append((x @ divided(changed, w["singular_vector"])[0]).sum())
        expected[place] = (values[0] - values[1]) / 2e-6
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_a_kernel_of_zeros_gives_no_nan():
    layer = made(SpectralDense(2, name="layer"), (None, 3))
    layer.kernel.assign(np.zeros((3, 2)))
    assert np.isfinite(to_numpy(layer(X, training=True))).all()
