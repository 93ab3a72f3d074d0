import numpy as np
import pytest

from keras_selfattn.layers.masks import (
    as_attention_mask,
    causal_mask,
    chunk_mask,
    combine_masks,
    local_mask,
    padding_mask,
)
from tests.arrays import to_numpy
from tests.litert import needs_tensorflow, run_converted

pytestmark = pytest.mark.backend


def assert_is(mask, literal):
    """Boolean and equal to rows of 0 and 1."""
    found = to_numpy(mask)
    assert found.dtype == bool
    np.testing.assert_array_equal(found, np.array(literal, bool))


def test_padding_mask_is_true_for_the_first_places():
    assert_is(
        padding_mask(np.array([1, 3, 0]), 3), [[1, 0, 0], [1, 1, 1], [0, 0, 0]]
    )


def test_causal_mask_is_lower_triangular():
    assert_is(causal_mask(3), [[1, 0, 0], [1, 1, 0], [1, 1, 1]])


def test_causal_mask_counts_queries_from_the_offset():
    assert_is(causal_mask(2, 4, offset=1), [[1, 1, 0, 0], [1, 1, 1, 0]])
    assert_is(causal_mask(2, 3), [[1, 0, 0], [1, 1, 0]])


@pytest.mark.parametrize(
    "left,right,literal",
    [
        (1, 0, [[1, 0, 0, 0], [1, 1, 0, 0], [0, 1, 1, 0], [0, 0, 1, 1]]),
        (0, 2, [[1, 1, 1, 0], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]),
        (None, 0, [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 1]]),
        (0, None, [[1, 1, 1, 1], [0, 1, 1, 1], [0, 0, 1, 1], [0, 0, 0, 1]]),
        (None, None, [[1] * 4] * 4),
    ],
)
def test_local_mask_is_a_band(left, right, literal):
    assert_is(local_mask(4, left, right), literal)


@pytest.mark.parametrize(
    "left_context,literal",
    [
        (0, [[1, 1, 0, 0, 0]] * 2 + [[0, 0, 1, 1, 0]] * 2 + [[0, 0, 0, 0, 1]]),
        (1, [[1, 1, 0, 0, 0]] * 2 + [[0, 1, 1, 1, 0]] * 2 + [[0, 0, 0, 1, 1]]),
        (None, [[1, 1, 0, 0, 0]] * 2 + [[1, 1, 1, 1, 0]] * 2 + [[1] * 5]),
    ],
)
def test_chunk_mask_is_the_chunk_and_its_left_context(left_context, literal):
    assert_is(chunk_mask(5, 2, left_context), literal)


def test_combine_masks_is_and_and_leaves_out_none():
    rows = np.array([[[[True, True, False]]]])
    triangle = as_attention_mask(causal_mask(3))
    assert_is(
        combine_masks(None, as_attention_mask(rows), triangle),
        [[[[1, 0, 0], [1, 1, 0], [1, 1, 0]]]],
    )
    assert_is(combine_masks(triangle, None), to_numpy(triangle))
    assert combine_masks(None, None) is None


def test_attention_masks_of_every_rank_become_rank_4():
    mask = np.array([[True, False], [True, True]])
    assert_is(as_attention_mask(mask), mask[None, None])
    assert_is(as_attention_mask(mask[None]), mask[None, None])
    assert_is(as_attention_mask(mask[None, None]), mask[None, None])


@pytest.mark.parametrize(
    "mask,said",
    [
        (np.ones((2, 2), "float32"), "float32.*bool"),
        (np.ones((2, 2), "int32"), "int32.*bool"),
        (np.ones((2,), bool), r"\(2,\)"),
        (np.ones((1, 1, 1, 2, 2), bool), r"\(1, 1, 1, 2, 2\)"),
    ],
)
def test_other_masks_are_refused(mask, said):
    with pytest.raises(ValueError, match=said):
        as_attention_mask(mask)


@needs_tensorflow
def test_masks_of_unknown_length_convert_to_built_in_operations():
    import tensorflow as tf

    def function(x):
        length = tf.shape(x)[1]
        mask = combine_masks(
            causal_mask(length),
            local_mask(length, 2, None),
            chunk_mask(length, 3, 1),
        )
        return tf.cast(mask, tf.float32)

    found = run_converted(function, x=np.zeros((1, 4), "float32"))
    np.testing.assert_array_equal(
        found, [[1, 0, 0, 0], [1, 1, 0, 0], [1, 1, 1, 0], [0, 0, 1, 1]]
    )
