"""A loop gives what Python's does, and is one operator on TensorFlow."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_selfattn.decoding.whole_loop import whole_loop
from tests.arrays import to_numpy

MATRIX = np.arange(9, dtype="float32").reshape(3, 3) / 10


def power(vector, count):
    """`MATRIX` times the vector, plus one, `count` times."""
    matrix = ops.convert_to_tensor(MATRIX)

    def do(i, x):
        return i + 1, {"x": ops.matmul(x["x"], matrix) + 1.0}

    start = (ops.zeros((), dtype="int32"), {"x": vector})
    return whole_loop(lambda i, x: i < count, do, start)[1]["x"]


@pytest.mark.backend
def test_gives_what_a_loop_of_python_gives():
    vector = expected = np.ones((1, 3), "float32")
    for _ in range(4):
        expected = expected @ MATRIX + 1
    found = to_numpy(power(ops.convert_to_tensor(vector), 4))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.backend
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="a graph of TensorFlow"
)
def test_is_one_operator_of_the_graph():
    import tensorflow as tf

    run = tf.function(lambda x: power(x, 4))
    graph = run.get_concrete_function(tf.TensorSpec([1, 3])).graph
    loops = [op for op in graph.get_operations() if op.type.endswith("While")]
    assert len(loops) == 1
    assert not loops[0].get_attr("_lower_using_switch_merge")
    vector = tf.ones([1, 3])
    np.testing.assert_allclose(run(vector), power(vector, 4), rtol=1e-6)
