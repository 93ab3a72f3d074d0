import keras
import numpy as np
import pytest
from keras import ops

from keras_selfattn.training.loss_gradients import (
    apply_gradients,
    value_and_gradients,
)
from tests.arrays import to_numpy


@pytest.mark.backend
def test_gives_the_gradients_and_keeps_what_was_assigned():
    x = keras.Variable(np.array([1.0, 2.0], "float32"))
    y = keras.Variable(np.array([3.0, 4.0], "float32"))
    calls = keras.Variable(0.0, trainable=False)

    def function():
        calls.assign(calls + 1.0)
        return ops.sum(x * x * y)

    loss, gradients = value_and_gradients(function, [x], [x, y, calls])
    assert float(to_numpy(loss)) == pytest.approx(19)
    assert len(gradients) == 1
    np.testing.assert_allclose(to_numpy(gradients[0]), [6, 16])
    assert float(to_numpy(calls.value)) == 1
    apply_gradients(keras.optimizers.SGD(0.5), gradients, [x])
    np.testing.assert_allclose(to_numpy(x.value), [1 - 3, 2 - 8])
