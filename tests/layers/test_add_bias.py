import keras
import numpy as np
import pytest

from keras_selfattn.layers.add_bias import AddBias
from tests.arrays import sequences, to_numpy


@pytest.mark.backend
def test_adds_one_number_a_feature():
    layer, x = AddBias(), sequences()
    np.testing.assert_array_equal(to_numpy(layer(x)), x)
    bias = np.arange(8, dtype="float32")
    layer.bias.assign(bias)
    np.testing.assert_allclose(to_numpy(layer(x)), x + bias, atol=1e-6)
    again = AddBias.from_config(layer.get_config())
    again.build(x.shape)
    assert again.bias.path == layer.bias.path
    half = AddBias(dtype="mixed_float16")(x)
    assert keras.backend.standardize_dtype(half.dtype) == "float16"
