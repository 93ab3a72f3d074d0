import numpy as np
import pytest

from keras_selfattn.layers.masked_pooling import KINDS, MaskedPooling
from tests.arrays import to_numpy
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

X = np.random.default_rng(0).normal(size=(3, 5, 4)).astype("float32")
MASK = np.array([[1, 1, 1, 1, 1], [0, 1, 0, 1, 0], [0, 0, 0, 0, 0]], bool)


def reference(kind, row, mask):
    kept = row[mask].astype("float64")
    if not len(kept):
        return np.zeros(row.shape[1])
    if kind == "max":
        return kept.max(0)
    return kept.sum(0) / (len(kept) if kind == "mean" else len(kept) ** 0.5)


@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_reference_whatever_stands_in_padding(kind):
    layer = MaskedPooling(kind)
    spoilt = np.where(MASK[..., None], X, 1e4).astype("float32")
    for x in (X, spoilt):
        found = to_numpy(layer(x, MASK))
        wanted = [reference(kind, *pair) for pair in zip(x, MASK)]
        np.testing.assert_allclose(found, wanted, atol=1e-6)
    whole = [reference(kind, row, MASK[0]) for row in X]
    np.testing.assert_allclose(to_numpy(layer(X)), whole, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_round_trip(kind, tmp_path):
    layer = MaskedPooling(kind, name="pool")
    assert_round_trip(layer, tmp_path, inputs=X, padding_mask=MASK)


def test_another_kind_is_refused():
    with pytest.raises(ValueError, match="'sum' is unknown"):
        MaskedPooling("sum")
