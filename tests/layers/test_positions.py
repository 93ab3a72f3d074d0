import keras
import numpy as np
import pytest

from keras_selfattn.layers.positions import (
    LearnedPositions,
    SinusoidalPositions,
    added_positions,
    apply_rotary,
    distances,
    relative_shift,
    relative_sinusoids,
    sinusoids,
)
from tests.arrays import sequences, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted
from tests.reference import rotate, sinusoid
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend


@pytest.mark.parametrize("wavelength", [10000.0, 100.0])
def test_sinusoids_equal_their_formula(wavelength):
    found = to_numpy(sinusoids(np.arange(12), 8, wavelength))
    expected = [sinusoid(position, 8, wavelength) for position in range(12)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_sinusoids_of_far_positions_keep_float32_accuracy():
    found = to_numpy(sinusoids(np.array([1500]), 64))
    np.testing.assert_allclose(found[0], sinusoid(1500, 64), atol=5e-4)


@pytest.mark.parametrize("dim", [7, 2])
def test_sinusoids_refuse_odd_or_tiny_dims(dim):
    with pytest.raises(ValueError, match=str(dim)):
        SinusoidalPositions()(sequences(dim=dim))


@pytest.mark.parametrize("dtype,atol", [("float32", 1e-6), ("float16", 4e-3)])
def test_sinusoidal_positions_are_added(dtype, atol):
    inputs = sequences(dim=8).astype(dtype)
    outputs = SinusoidalPositions(dtype=dtype)(inputs)
    assert keras.backend.standardize_dtype(outputs.dtype) == dtype
    table = np.stack([sinusoid(position, 8) for position in range(7)])
    np.testing.assert_allclose(
        to_numpy(outputs), inputs.astype("float64") + table, atol=atol
    )


def test_learned_positions_are_added():
    layer = LearnedPositions(10)
    inputs = sequences()
    layer(inputs)
    draw_weights(layer)
    table = to_numpy(layer.embeddings.value)[:7]
    np.testing.assert_allclose(
        to_numpy(layer(inputs)), inputs + table, atol=1e-6
    )


@pytest.mark.parametrize("layer", [SinusoidalPositions(), LearnedPositions(9)])
def test_added_positions_go_on_from_an_offset(layer):
    inputs = sequences()
    whole = to_numpy(layer(inputs))
    for offset in (3, keras.ops.convert_to_tensor(3, "int32")):
        rest = to_numpy(layer(inputs[:, 3:5], offset=offset))
        np.testing.assert_allclose(rest, whole[:, 3:5], atol=1e-6)
    late = to_numpy(layer(inputs[:, :1], offset=40))
    assert np.isfinite(late).all()


def test_added_positions_by_name():
    assert isinstance(added_positions("sinusoidal"), SinusoidalPositions)
    assert added_positions("learned", 5).max_sequence_length == 5
    assert added_positions("rotary") is added_positions(None) is None
    with pytest.raises(ValueError, match="need max_sequence_length"):
        added_positions("learned")


def test_learned_positions_refuse_a_longer_sequence():
    layer = LearnedPositions(6)
    with pytest.raises(ValueError, match="7 positions.*max_sequence_length=6"):
        layer(sequences(length=7))


def test_learned_positions_may_begin_at_a_later_row():
    layer, inputs = LearnedPositions(9, first=2), np.zeros((1, 7, 4), "float32")
    rows = to_numpy(layer(inputs))[0]
    np.testing.assert_array_equal(rows, to_numpy(layer.embeddings)[2:])
    tail = to_numpy(layer(inputs[:, :3], offset=4))[0]
    np.testing.assert_array_equal(tail, rows[4:])
    with pytest.raises(ValueError, match="=9 less first=2 are learned"):
        layer(np.zeros((1, 8, 4), "float32"))


def test_learned_positions_start_within_their_range():
    layer = LearnedPositions(400, initializer_range=0.5)
    layer.build((None, None, 16))
    assert 0.35 < np.std(to_numpy(layer.embeddings.value)) < 0.55


def test_gradients_reach_the_learned_positions():
    layer = LearnedPositions(7)
    inputs = sequences()
    layer(inputs)
    assert_finite_and_used(
        layer, lambda: keras.ops.mean(keras.ops.square(layer(inputs)))
    )


@pytest.mark.parametrize(
    "layer",
    [
        SinusoidalPositions(100.0, name="sinusoidal"),
        LearnedPositions(9, 0.1, name="learned"),
    ],
    ids=lambda layer: layer.name,
)
def test_keras_file_round_trip(layer, tmp_path):
    assert_round_trip(layer, tmp_path, inputs=sequences())


def test_sinusoids_of_another_wavelength_differ():
    inputs = sequences()
    one, other = (
        to_numpy(SinusoidalPositions(wavelength)(inputs))
        for wavelength in (100.0, 10000.0)
    )
    assert np.abs(one - other).max() > 0.1


@pytest.mark.parametrize("pairs", ["halves", "neighbours"])
@pytest.mark.parametrize("wavelength", [10000.0, 50.0])
def test_rotary_turns_pairs_as_complex_numbers(wavelength, pairs):
    inputs = np.random.default_rng(0).normal(size=(2, 3, 5, 8))
    found = to_numpy(
        apply_rotary(
            keras.ops.array(inputs, "float32"),
            max_wavelength=wavelength,
            pairs=pairs,
        )
    )
    for b, n, t in np.ndindex(2, 3, 5):
        np.testing.assert_allclose(
            found[b, n, t],
            rotate(inputs[b, n, t], t, wavelength, pairs),
            atol=1e-6,
        )


def test_rotary_products_depend_on_the_distance_only():
    rng = np.random.default_rng(1)
    query, key = rng.normal(size=(2, 1, 1, 1, 16))

    def product(i, j):
        return float(
            np.sum(
                to_numpy(apply_rotary(keras.ops.array(query), np.array([i])))
                * to_numpy(apply_rotary(keras.ops.array(key), np.array([j])))
            )
        )

    np.testing.assert_allclose(product(3, 1), product(40, 38), atol=1e-4)
    assert abs(product(3, 1) - product(1, 3)) > 1e-2


def test_rotary_takes_positions_and_refuses_odd_dims():
    inputs = keras.ops.array(np.ones((1, 1, 2, 4), "float32"))
    found = to_numpy(apply_rotary(inputs, np.array([5, 0])))
    np.testing.assert_allclose(
        found[0, 0], [rotate(np.ones(4), 5), np.ones(4)], atol=1e-6
    )
    with pytest.raises(ValueError, match="5"):
        apply_rotary(keras.ops.array(np.ones((1, 1, 2, 5), "float32")))


def test_relative_sinusoids_run_from_far_past_to_far_future():
    found = to_numpy(relative_sinusoids(4, 8))
    expected = [sinusoid(d, 8) for d in (3, 2, 1, 0, -1, -2, -3)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_relative_shift_as_literal_matrix():
    # Column c stands for the distance query - key = 2 - c.
    by_distance = np.array(
        [[10, 11, 12, 13, 14], [20, 21, 22, 23, 24], [30, 31, 32, 33, 34]]
    )
    found = to_numpy(
        relative_shift(keras.ops.array(by_distance[None, None], "float32"))
    )
    np.testing.assert_array_equal(
        found[0, 0], [[12, 13, 14], [21, 22, 23], [30, 31, 32]]
    )


@pytest.mark.parametrize("length", [1, 2, 6])
def test_relative_shift_equals_the_index_formula(length):
    scores = np.random.default_rng(2).normal(
        size=(2, 3, length, 2 * length - 1)
    )
    found = to_numpy(relative_shift(keras.ops.array(scores, "float32")))
    expected = np.zeros((2, 3, length, length))
    for i in range(length):
        for j in range(length):
            expected[:, :, i, j] = scores[:, :, i, length - 1 - (i - j)]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_distances_as_literal_matrix():
    found = to_numpy(distances(2, 3, offset=1))
    assert found.tolist() == [[1, 0, -1], [2, 1, 0]]


@pytest.mark.parametrize("lengths", [(3, 5), (4, 2), (1, 6)])
@pytest.mark.parametrize("offset", [0, 2])
def test_relative_positions_of_other_keys_than_queries(lengths, offset):
    """`relative_sinusoids` and `relative_shift` meet at each distance."""
    num_queries, num_keys = lengths
    table = relative_sinusoids(num_queries, 8, num_keys=num_keys, offset=offset)
    columns = num_queries + num_keys - 1
    assert table.shape == (columns, 8)
    rows = keras.ops.broadcast_to(table[:, 2], (1, 1, num_queries, columns))
    found = to_numpy(relative_shift(rows, num_keys))[0, 0]
    for i, j in np.ndindex(num_queries, num_keys):
        expected = sinusoid(i + offset - j, 8)[2]
        np.testing.assert_allclose(found[i, j], expected, atol=1e-6)


@needs_tensorflow
def test_positions_of_unknown_length_convert_to_built_in_operations():
    import tensorflow as tf

    def function(x):
        turned = apply_rotary(tf.expand_dims(x, 1))  # (1, 1, T, 8)
        table = tf.transpose(relative_sinusoids(tf.shape(x)[1], 8))
        scores = relative_shift(tf.matmul(turned, table[None, None]))
        return (
            SinusoidalPositions()(x) + tf.reduce_sum(scores, -1)[:, 0, :, None]
        )

    x = sequences(batch=1)
    np.testing.assert_allclose(
        run_converted(function, x=x), function(tf.constant(x)), atol=1e-4
    )
