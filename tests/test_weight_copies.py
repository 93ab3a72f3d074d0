import keras
import numpy as np
import pytest

from keras_selfattn.weight_copies import copy_weights, value_of
from tests.arrays import to_numpy


def model(width=3):
    inputs = keras.Input((2,))
    x = keras.layers.Dense(width, name="first")(inputs)
    return keras.Model(inputs, keras.layers.Dense(1, name="last")(x))


@pytest.mark.backend
def test_a_copy_outlives_the_training_of_where_it_came_from():
    source, target = model(), model()
    copy_weights(target, source)
    kept = [value_of(variable) for variable in source.weights]
    source.compile("sgd", "mse")
    source.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    for variable, value, trained in zip(
        target.weights, kept, source.weights, strict=True
    ):
        np.testing.assert_array_equal(to_numpy(variable.value), value)
        assert np.abs(to_numpy(trained.value) - value).max() > 0
    target.compile("sgd", "mse")
    target.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)


def test_weights_that_do_not_fit_are_refused_and_nothing_changes():
    target = model(4)
    before = [value_of(variable) for variable in target.weights]
    with pytest.raises(ValueError, match=r"first/kernel: expected \(2, 4\)"):
        copy_weights(target, model())
    with pytest.raises(ValueError, match="to begin with, found nothing"):
        copy_weights(target, target.get_layer("first"))
    for variable, value in zip(target.weights, before, strict=True):
        np.testing.assert_array_equal(to_numpy(variable.value), value)
