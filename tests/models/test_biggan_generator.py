import numpy as np
import pytest

from keras_selfattn.models import BigGANGenerator
from tests.fixed_weights import draw_weights

SMALL = {
    "image_size": 16,
    "widths": [8, 6, 4],
    "latent_dim": 6,
    "class_dim": 3,
    "attention_resolution": 8,
}
INPUTS = {
    "latents": np.random.default_rng(0).normal(size=(3, 6)).astype("float32"),
    "labels": np.array([2, 0, 2], "int32"),
}


def model(**kwargs):
    return draw_weights(BigGANGenerator(3, **{**SMALL, **kwargs}))


@pytest.fixture(scope="module")
def small():
    return model()


@pytest.mark.backend
def test_gives_the_golden_outputs_on_every_backend(small):
    found = small.predict_on_batch(INPUTS)
    assert found.shape == (3, 16, 16, 1)
    np.testing.assert_allclose(found[0, 7, 4:10, 0], GOLDEN, atol=1e-4)
    weights = small.attention_model().predict_on_batch(INPUTS)
    assert weights.shape == (3, 1, 64, 16)
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)


def test_an_image_depends_on_its_latents_and_class_alone(small):
    found = small.predict_on_batch(INPUTS)
    for name, other in (
        ("latents", INPUTS["latents"][[0, 0, 1]]),
        ("labels", np.array([2, 1, 1], "int32")),
    ):
        changed = small.predict_on_batch({**INPUTS, name: other})
        np.testing.assert_allclose(changed[0], found[0], atol=1e-6)
        assert (np.abs(changed - found)[1:].max((1, 2, 3)) > 1e-4).all()


@pytest.mark.parametrize(
    "change",
    [
        {"widths": [8, 4], "attention_resolution": 0},
        {"channels": 3},
        {"attention_resolution": 4},
        {"attention_resolution": 16},
        {"hierarchical": False, "latent_dim": 5},
        {"spectral_normalization": False},
        {"class_dim": 4},
        {"image_size": 32, "widths": [8, 6, 4, 4], "latent_dim": 8},
    ],
    ids=str,
)
def test_every_size_counts_and_comes_back(change):
    made = model(**change)
    again = BigGANGenerator.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    shapes = [tuple(v.shape) for v in made.weights]
    assert [tuple(v.shape) for v in again.weights] == shapes
    paths = [v.path for v in model().weights]
    changed = [v.path for v in made.weights] != paths
    assert changed or shapes != [tuple(v.shape) for v in model().weights]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_size": 18}, "image_size=18 is not a whole number"),
        ({"widths": [8]}, "1 widths make 0 blocks"),
        ({"attention_resolution": 7}, "the sizes .4, 8, 16."),
        ({"latent_dim": 7}, "latent_dim=7 does not divide by the 3 widths"),
    ],
)
def test_sizes_that_do_not_fit_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        BigGANGenerator(3, **{**SMALL, **change})


def test_without_attention_there_are_no_maps():
    made = BigGANGenerator(3, **{**SMALL, "attention_resolution": 0})
    with pytest.raises(ValueError, match="no attention"):
        made.attention_model()


GOLDEN = [-0.034104, -0.03735, -0.034573, -0.025541, 0.015865, 0.092962]
