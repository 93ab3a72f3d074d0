import numpy as np
import pytest
from keras import ops

from keras_selfattn.training.image_augmentation import cut_out, moved
from tests.arrays import to_numpy

IMAGES = np.random.default_rng(0).uniform(-1, 1, (3, 5, 6, 2)).astype("float32")


@pytest.mark.backend
def test_moved():
    shifts = np.array([[0, 0], [2, -1], [-1, 3]], "int32")
    expected = np.full_like(IMAGES, -1.0)
    expected[0] = IMAGES[0]
    expected[1, 2:, :-1] = IMAGES[1, :-2, 1:]
    expected[2, :-1, 3:] = IMAGES[2, 1:, :-3]
    found = to_numpy(moved(ops.convert_to_tensor(IMAGES), shifts))
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.mark.backend
def test_cut_out():
    corners = np.array([[-1, 4], [2, 3], [9, 9]], "int32")
    expected = IMAGES.copy()
    expected[0, :1, 4:] = 0
    expected[1, 2:4, 3:5] = 0
    found = to_numpy(cut_out(ops.convert_to_tensor(IMAGES), corners, 2))
    np.testing.assert_array_equal(found, expected)
