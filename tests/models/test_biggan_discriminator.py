import numpy as np
import pytest

from keras_selfattn.models import BigGANDiscriminator
from tests.fixed_weights import draw_weights

SMALL = {
    "image_size": 16,
    "widths": [4, 6, 8],
    "attention_resolution": 8,
}
INPUTS = {
    "images": np.random.default_rng(0)
    .uniform(-1, 1, (3, 16, 16, 1))
    .astype("float32"),
    "labels": np.array([2, 0, 2], "int32"),
}


def model(**kwargs):
    return draw_weights(BigGANDiscriminator(3, **{**SMALL, **kwargs}))


@pytest.mark.backend
def test_gives_the_golden_outputs_on_every_backend():
    made = model()
    found = made.predict_on_batch(INPUTS)
    assert found.shape == (3,)
    np.testing.assert_allclose(found, GOLDEN, atol=1e-3)
    other = np.array([2, 1, 2], "int32")
    told = made.predict_on_batch({**INPUTS, "labels": other})
    np.testing.assert_allclose(told[[0, 2]], found[[0, 2]], atol=1e-4)
    assert abs(told[1] - found[1]) > 1e-3


@pytest.mark.parametrize(
    "change",
    [
        {"channels": 3},
        {"attention_resolution": 0},
        {"attention_resolution": 4},
        {"spectral_normalization": False},
        {"widths": [4, 8]},
    ],
    ids=str,
)
def test_every_size_counts_and_comes_back(change):
    made = model(**change)
    again = BigGANDiscriminator.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    described = [(v.path, tuple(v.shape)) for v in made.weights]
    assert described == [(v.path, tuple(v.shape)) for v in again.weights]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image_size": 18}, "image_size=18 does not allow"),
        ({"widths": [8]}, "two widths at least"),
        ({"attention_resolution": 7}, "the sizes .8, 4."),
    ],
)
def test_sizes_that_do_not_fit_are_named(change, words):
    with pytest.raises(ValueError, match=words):
        BigGANDiscriminator(3, **{**SMALL, **change})


GOLDEN = [14.841214, -24.153421, 15.322423]
