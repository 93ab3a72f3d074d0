import numpy as np
import pytest

from keras_selfattn.losses.orthogonal_penalty import orthogonal_penalty
from tests.arrays import to_numpy

KERNEL = np.random.default_rng(0).normal(size=(3, 3, 2, 4)).astype("float32")


@pytest.mark.backend
def test_punishes_what_filters_share_and_not_their_length():
    matrix = KERNEL.reshape(-1, 4).astype("float64")
    products = matrix.T @ matrix
    apart = (products**2).sum() - (np.diag(products) ** 2).sum()
    found = float(to_numpy(orthogonal_penalty([KERNEL, 3 * np.eye(4)])))
    assert found == pytest.approx(apart, rel=1e-5)


def test_no_kernel():
    with pytest.raises(ValueError, match="No kernels"):
        orthogonal_penalty([])
