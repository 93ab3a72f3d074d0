import keras
import numpy as np
import pytest

from keras_selfattn.layers.nystrom_attention import (
    NystromSelfAttention,
    iterative_inverse,
)
from tests import reference
from tests.arrays import prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights, relative_path
from tests.gradients import assert_finite_and_used
from tests.intermediates import largest_intermediate
from tests.litert import needs_tensorflow, run_converted
from tests.round_trip import assert_round_trip

pytestmark = pytest.mark.backend

MASK = prefix_mask([12, 7], 12)


def nystrom(num_landmarks=4, num_heads=2, **kwargs):
    layer = NystromSelfAttention(
        num_heads, num_landmarks, name="attention", **kwargs
    )
    layer.build((None, None, 8))
    return draw_weights(layer)


def softmax(scores):
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return scores / scores.sum(axis=-1, keepdims=True)


def inverse(matrix, num_iterations):
    """Equation 11 of the paper, in float64."""
    identity = np.eye(len(matrix))
    found = (
        matrix.T / np.linalg.norm(matrix, 1) / np.linalg.norm(matrix, np.inf)
    )
    for _ in range(num_iterations):
        x = matrix @ found
        found = (
            found
            @ (13 * identity - x @ (15 * identity - x @ (7 * identity - x)))
            / 4
        )
    return found


def nystromformer(x, w, num_heads, num_landmarks, mask=None, iterations=6):
    """Each row alone, its padding cut off: outputs `(B, T, D)`.

    Positions of padding stay zero: what a layer gives there is nobody's
    business.
    """
    x = np.asarray(x, "float64")
    outputs = np.zeros_like(x)
    for b in range(len(x)):
        real = (
            np.arange(x.shape[1]) if mask is None else np.flatnonzero(mask[b])
        )
        q, k, v = (
            reference.dense(x[b, real], reference.below(w, name))
            for name in ("query", "key", "value")
        )
        # Stretches as equal as they can be; none is empty for T >= M.
        count = len(real)
        stretch = np.arange(count) * num_landmarks // count
        size = q.shape[-1] // num_heads
        mixed = np.zeros_like(q)
        for n in range(num_heads):
            part = slice(n * size, (n + 1) * size)
            query, key, value = q[:, part] / size**0.5, k[:, part], v[:, part]
            query_marks, key_marks = (
                np.stack([y[stretch == s].mean(axis=0) for s in set(stretch)])
                for y in (query, key)
            )
            near = softmax(query_marks @ key_marks.T)
            mixed[:, part] = (
                softmax(query @ key_marks.T)
                @ inverse(near, iterations)
                @ softmax(query_marks @ key.T)
                @ value
            )
            if "convolution/kernel" in w:
                kernel = w["convolution/kernel"][:, n, 0]
                reach = len(kernel) // 2
                padded = np.pad(value, ((reach, reach), (0, 0)))
                mixed[:, part] += np.stack(
                    [kernel @ padded[t : t + len(kernel)] for t in range(count)]
                )
        outputs[b, real] = reference.dense(mixed, reference.below(w, "output"))
    return outputs


def test_the_iterative_inverse_equals_the_pseudo_inverse():
    rng = np.random.default_rng(0)
    matrices = np.eye(5) + 0.1 * rng.normal(size=(3, 2, 5, 5))
    found = to_numpy(iterative_inverse(matrices.astype("float32"), 8))
    np.testing.assert_allclose(found, np.linalg.inv(matrices), atol=1e-4)
    few = to_numpy(iterative_inverse(matrices.astype("float32"), 1))
    assert np.abs(few - found).max() > 1e-2
    one = to_numpy(iterative_inverse(matrices[:1].astype("float32"), 1))
    np.testing.assert_allclose(one[0], few[0], atol=1e-6)


def test_rows_and_columns_of_zeros_stay_zeros_in_the_inverse():
    matrix = np.zeros((4, 4), "float32")
    matrix[:2, :2] = [[2, 1], [0, 1]]
    found = to_numpy(iterative_inverse(matrix, 10))
    np.testing.assert_allclose(found, np.linalg.pinv(matrix), atol=1e-5)
    zeros = to_numpy(iterative_inverse(np.zeros((1, 3, 3), "float32"), 6))
    np.testing.assert_array_equal(zeros, np.zeros((1, 3, 3)))


@pytest.mark.slow
@pytest.mark.parametrize("num_landmarks", [2, 4, 5])
@pytest.mark.parametrize("kernel_size", [None, 3])
@pytest.mark.parametrize("mask", [None, MASK])
def test_equals_the_reference(mask, kernel_size, num_landmarks):
    layer = nystrom(num_landmarks, kernel_size=kernel_size)
    inputs = sequences(length=12)
    expected = nystromformer(
        inputs, reference.weights_of(layer), 2, num_landmarks, mask
    )
    found = to_numpy(layer(inputs, padding_mask=mask))
    real = np.ones((2, 12), bool) if mask is None else mask
    np.testing.assert_allclose(found[real], expected[real], atol=5e-5)


def test_more_landmarks_than_positions_are_left_unused():
    inputs = sequences(length=12)
    exact = nystrom(12, num_iterations=10)
    spare = nystrom(32, num_iterations=10)
    np.testing.assert_allclose(
        to_numpy(spare(inputs)), to_numpy(exact(inputs)), atol=1e-3
    )


def test_a_landmark_for_each_position_is_full_attention():
    layer = nystrom(12, num_iterations=16)
    # Sharp attention, each position to itself: a matrix that inverts well.
    kernel = to_numpy(layer.query.kernel.value)
    layer.query.kernel.assign(3 * kernel)
    layer.key.kernel.assign(3 * kernel)
    inputs = sequences(length=12)
    expected, _ = reference.attention(inputs, reference.weights_of(layer), 2)
    np.testing.assert_allclose(to_numpy(layer(inputs)), expected, atol=1e-3)


@pytest.mark.parametrize(
    "policy,tolerance", [("mixed_bfloat16", 0.15), ("mixed_float16", 0.03)]
)
def test_equals_the_reference_in_narrow_floats(policy, tolerance):
    """The inverse magnifies what rounding did to queries and keys."""
    layer = nystrom(dtype=policy, kernel_size=3)
    inputs = sequences(length=12)
    expected = nystromformer(inputs, reference.weights_of(layer), 2, 4, MASK)
    outputs = layer(inputs, padding_mask=MASK)
    dtype = keras.backend.standardize_dtype(outputs.dtype)
    assert dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(
        to_numpy(outputs)[MASK], expected[MASK], atol=tolerance
    )


def test_the_cost_grows_with_the_length_and_not_its_square():
    layer = nystrom(16, kernel_size=3)

    def largest(length):
        return largest_intermediate(layer, sequences(1, length))

    assert largest(2048) == 2 * largest(1024)
    assert largest(2048) < 2048 * 2048 / 10


@pytest.mark.parametrize("kernel_size", [None, 5])
def test_padding_content_and_amount_cannot_change_valid_outputs(kernel_size):
    layer, inputs = nystrom(kernel_size=kernel_size), sequences(length=12)
    clean = to_numpy(layer(inputs, padding_mask=MASK))
    spoilt = to_numpy(layer(spoil(inputs, MASK), padding_mask=MASK))
    np.testing.assert_allclose(spoilt[MASK], clean[MASK], atol=2e-5)
    alone = to_numpy(layer(inputs[1:, :7]))
    np.testing.assert_allclose(clean[1:, :7], alone, atol=2e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_row_of_padding_only_gives_zeros(policy):
    layer = nystrom(use_bias=False, kernel_size=3, dtype=policy)
    outputs = layer(sequences(), padding_mask=prefix_mask([7, 0], 7))
    assert not to_numpy(outputs)[1].any()
    assert np.abs(to_numpy(outputs)[0]).max() > 0.01


def test_a_causal_mask_is_refused():
    with pytest.raises(ValueError, match="later positions.*LocalSelfAttention"):
        nystrom()(sequences(), use_causal_mask=True)


def test_gradients_are_finite_and_reach_every_weight():
    layer, inputs = nystrom(kernel_size=3), sequences(length=12)

    def loss():
        outputs = layer(inputs, padding_mask=prefix_mask([12, 0], 12))
        return keras.ops.mean(keras.ops.square(outputs))

    assert_finite_and_used(layer, loss, ("key/bias",))


def test_dropout_acts_in_training_only_and_follows_its_seed():
    inputs = sequences()
    calm = to_numpy(nystrom(dropout=0.5)(inputs))
    np.testing.assert_allclose(to_numpy(nystrom()(inputs)), calm, atol=1e-6)
    dropped, again, other = (
        to_numpy(nystrom(dropout=0.5, seed=seed)(inputs, training=True))
        for seed in (0, 0, 1)
    )
    assert np.abs(dropped - calm).max() > 0.01
    np.testing.assert_array_equal(again, dropped)
    assert np.abs(other - dropped).max() > 0


@pytest.mark.parametrize(
    "change",
    [
        {"num_heads": 4},
        {"num_landmarks": 2},
        {"num_iterations": 1},
        {"kernel_size": 3},
        {"head_dim": 6},
        {"use_bias": False},
    ],
    ids=str,
)
def test_each_parameter_changes_the_outputs(change):
    inputs = sequences(length=12)
    usual = to_numpy(nystrom()(inputs))
    assert np.abs(to_numpy(nystrom(**change)(inputs)) - usual).max() > 1e-3


def test_its_weights():
    def paths(layer):
        return {relative_path(layer, weight) for weight in layer.weights}

    plain = {
        f"{name}/{kind}"
        for name in ("query", "key", "value", "output")
        for kind in ("kernel", "bias")
    }
    assert paths(nystrom()) == plain
    convolved = nystrom(kernel_size=3)
    assert paths(convolved) == plain | {"convolution/kernel"}
    assert convolved.convolution.kernel.shape == (3, 2, 1)


def test_keras_file_round_trip(tmp_path):
    layer = nystrom(
        num_iterations=4,
        kernel_size=3,
        head_dim=6,
        dropout=0.1,
        use_bias=False,
        seed=4,
    )
    assert_round_trip(
        layer,
        tmp_path,
        inputs=sequences(length=12),
        padding_mask=MASK,
    )


@pytest.mark.parametrize(
    "change,said",
    [
        ({"num_landmarks": 0}, "num_landmarks must be a positive int"),
        ({"num_iterations": 1.5}, "num_iterations.*1.5"),
        ({"kernel_size": 4}, "kernel_size must be an odd int.*4"),
        ({"num_heads": 3}, "8 features.*3"),
        ({"dropout": -0.1}, "dropout"),
    ],
)
def test_wrong_parameters_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        nystrom(**change)


@needs_tensorflow
def test_converts_to_built_in_operations():
    layer = nystrom(kernel_size=3)
    x, mask = sequences(batch=1, length=12), prefix_mask([9], 12)
    found = run_converted(
        lambda x, mask: layer(x, padding_mask=mask), x=x, mask=mask
    )
    np.testing.assert_allclose(
        found, to_numpy(layer(x, padding_mask=mask)), atol=5e-5
    )
