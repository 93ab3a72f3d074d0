import keras
import numpy as np
import pytest

from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from keras_selfattn.layers.t5_buckets import (
    T5PositionBias,
    T5RelativeBuckets,
)
from tests import attention_reference
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import gradients
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend


@pytest.mark.parametrize(
    "settings", [(32, 128, True), (32, 128, False), (8, 6, True), (5, 9, False)]
)
def test_t5_buckets_equal_the_formula(settings):
    reach = np.arange(-300, 301)
    found = to_numpy(
        T5RelativeBuckets(*settings).buckets(
            keras.ops.convert_to_tensor(reach, "int32")
        )
    )
    expected = [attention_reference.t5_bucket(int(d), *settings) for d in reach]
    np.testing.assert_array_equal(found, expected)
    assert set(found) <= set(range(settings[0]))


def test_t5_buckets_as_literals():
    buckets = T5RelativeBuckets(8, 16, bidirectional=False).buckets
    found = buckets(keras.ops.array([-2, 0, 1, 3, 4, 5, 6, 8, 11, 12, 99]))
    assert to_numpy(found).tolist() == [0, 0, 1, 3, 4, 4, 5, 6, 6, 7, 7]


def test_biases_are_looked_up_by_bucket_and_learn_where_they_are_used():
    """Each of the `T x S` places counts once for the bucket it falls into."""
    part = T5RelativeBuckets(8, 6)
    layer = MultiHeadSelfAttention(2, positions=part)
    layer.build((None, None, 4))
    layer.relative_bias.assign(np.arange(16.0).reshape(8, 2))
    query = keras.ops.zeros((1, 2, 3, 2))

    def bias():
        return part.bias(layer, query, 4, 1.0)[1]

    distance = np.arange(3)[:, None] - np.arange(4)
    buckets = [
        [attention_reference.t5_bucket(int(d), 8, 6, True) for d in row]
        for row in distance
    ]
    expected = np.arange(16.0).reshape(8, 2)[np.array(buckets)]
    np.testing.assert_array_equal(
        to_numpy(bias())[0], expected.transpose(2, 0, 1)
    )
    _, (gradient,) = gradients(
        lambda: keras.ops.sum(bias()), [layer.relative_bias]
    )
    counts = np.bincount(np.ravel(buckets), minlength=8)
    np.testing.assert_array_equal(gradient, np.stack([counts] * 2, axis=1))


@pytest.mark.parametrize(
    "arguments,said",
    [
        ((2,), "num_buckets=2"),
        ((9,), "num_buckets=9.*even"),
        ((32, 8), "max_distance=8.*above 8"),
    ],
)
def test_impossible_buckets_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        T5RelativeBuckets(*arguments)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_shared_biases_are_those_of_a_layer(bidirectional, tmp_path):
    part = T5RelativeBuckets(8, 6, bidirectional)
    layer = T5PositionBias(3, 8, 6, bidirectional, name="bias")
    inputs = np.zeros((2, 7, 4), "float32")
    layer.build(inputs.shape)
    draw_weights(layer)
    query = keras.ops.zeros((2, 3, 7, 5))
    found = to_numpy(layer(inputs))
    assert found.shape == (1, 3, 7, 7)
    np.testing.assert_array_equal(
        found, to_numpy(part.bias(layer, query, 7, 1.0)[1])
    )
    step = layer(inputs[:, :1], num_keys=7, offset=4)
    np.testing.assert_array_equal(to_numpy(step), found[:, :, 4:5])
    symbolic = layer(keras.KerasTensor((None, None, 4)))
    assert symbolic.shape == (1, 3, None, None)
    assert_round_trip(layer, tmp_path, inputs=inputs)
