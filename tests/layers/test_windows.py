import numpy as np
import pytest

from keras_selfattn.layers.windows import windows
from tests.arrays import sequences, to_numpy
from tests.litert import needs_tensorflow, run_converted

pytestmark = pytest.mark.backend


def cut(x, size, left, right):
    """Every window, position by position."""
    batch, length, features = x.shape
    blocks = -(-length // size)
    made = np.zeros((batch, blocks, left + size + right, features), x.dtype)
    for block in range(blocks):
        for place in range(left + size + right):
            position = block * size - left + place
            if 0 <= position < length:
                made[:, block, place] = x[:, position]
    return made.reshape(batch * blocks, -1, features)


@pytest.mark.parametrize(
    "size,left,right",
    [
        (3, 0, 0),
        (3, 2, 0),
        (3, 3, 3),
        (2, 5, 1),
        (4, 0, 6),
        (1, 1, 1),
        (9, 2, 2),
    ],
)
@pytest.mark.parametrize("length", [1, 6, 7])
def test_holds_each_block_with_its_neighbours(length, size, left, right):
    x = sequences(length=length, dim=2)
    found = windows(x, -(-length // size), size, left, right)
    np.testing.assert_array_equal(to_numpy(found), cut(x, size, left, right))


def test_takes_integers():
    x = np.array([[[1], [2], [3]]], "int32")
    found = to_numpy(windows(x, 2, 2, left=1))
    assert found[..., 0].tolist() == [[0, 1, 2], [2, 3, 0]]


@needs_tensorflow
def test_converts_with_an_unknown_length():
    import tensorflow as tf

    x = sequences(batch=1, length=7, dim=2)
    found = run_converted(
        lambda x: windows(x, (tf.shape(x)[1] + 2) // 3, 3, 4, 2), x=x
    )
    np.testing.assert_array_equal(found, cut(x, 3, 4, 2))
