import keras
import numpy as np
import pytest

from keras_selfattn.layers import SelfAttention2D
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.reference import below, dense, weights_of
from tests.round_trip import assert_round_trip

X = np.random.default_rng(0).normal(size=(2, 4, 6, 8)).astype("float32")


def made(x=X, **arguments):
    layer = SelfAttention2D(name="layer", **arguments)
    layer.build(x.shape)
    return draw_weights(layer)


def reference(x, w, heads, pool, scale=1.0):
    """`x + gamma o(x)` and the weights, a head and an image at a time."""
    outputs, scores = np.zeros(x.shape), []
    for image in range(len(x)):
        seen = {k: dense(x[image], below(w, k)) for k in ("key", "value")}
        if pool:
            seen = {k: maxima(v) for k, v in seen.items()}
        flat = {k: v.reshape(-1, v.shape[-1]) for k, v in seen.items()}
        query = dense(x[image], below(w, "query"))
        query = query.reshape(-1, query.shape[-1])
        found, own = [], []
        for q, k, v in zip(
            np.split(query, heads, -1),
            np.split(flat["key"], heads, -1),
            np.split(flat["value"], heads, -1),
            strict=True,
        ):
            products = np.exp(scale * q @ k.T)
            weights = products / products.sum(-1, keepdims=True)
            own.append(weights)
            found.append(weights @ v)
        joined = dense(np.concatenate(found, -1), below(w, "output"))
        outputs[image] = x[image] + w["gamma"] * joined.reshape(x.shape[1:])
        scores.append(own)
    return outputs, np.array(scores)


def maxima(image):
    height, width = image.shape[0] // 2, image.shape[1] // 2
    image = image[: 2 * height, : 2 * width]
    return image.reshape(height, 2, width, 2, -1).max((1, 3))


@pytest.mark.backend
@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"num_heads": 2, "head_dim": 3, "value_dim": 2, "scale": 0.4},
        {"pool": False},
    ],
    ids=str,
)
def test_equals_the_equations(arguments):
    x = X[:, :, :5]  # an odd width: its last column has no keys
    layer = made(x, **arguments)
    expected = reference(
        x,
        weights_of(layer),
        arguments.get("num_heads", 1),
        arguments.get("pool", True),
        arguments.get("scale", 1.0),
    )
    found = layer(x, return_attention_scores=True)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(to_numpy(one), other, atol=1e-5)
    np.testing.assert_allclose(to_numpy(layer(x)), expected[0], atol=1e-5)


@pytest.mark.backend
def test_begins_as_identity_and_reaches_every_place():
    layer = SelfAttention2D()
    np.testing.assert_array_equal(to_numpy(layer(X)), X)
    layer = made(pool=False)
    changed = X.copy()
    changed[0, 0, 0] += 1.0
    apart = np.abs(to_numpy(layer(changed)) - to_numpy(layer(X))).max(-1)
    assert (apart[0] > 1e-6).all() and not apart[1].any()


@pytest.mark.backend
def test_spectral_round_trip_and_gradients(tmp_path):
    layer = made(spectral_normalization=True)
    assert_round_trip(layer, tmp_path, x=X)
    assert_finite_and_used(
        layer, lambda: keras.ops.mean(keras.ops.square(layer(X)))
    )


@pytest.mark.parametrize(
    "arguments",
    [{"num_heads": 0}, {"head_dim": 0}, {"value_dim": 1.5}, {"scale": -1.0}],
    ids=str,
)
def test_bad_arguments_are_named(arguments):
    with pytest.raises(ValueError, match="must be|received"):
        SelfAttention2D(**arguments)


def test_only_images():
    with pytest.raises(ValueError, match="takes images .batch, height"):
        SelfAttention2D()(X[0])
