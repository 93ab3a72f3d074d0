"""Every utterance once, few shapes, the same again for the same seed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.data.batching import (
    Batch,
    ctc_frames_needed,
    pad_batch,
    plan_batches,
    round_up,
    widths_for_lengths,
)

LENGTHS = st.lists(st.integers(1, 200), min_size=1, max_size=60)


def test_a_plan_by_hand():
    batches = plan_batches([25, 5, 8, 12, 3, 31], 10, batch_size=2)
    assert batches == [
        Batch((1, 2), 10),
        Batch((4, 3), 20),
        Batch((0, 5), 40),
    ]


@given(LENGTHS, st.integers(1, 50), st.integers(1, 9), st.integers(0, 9))
def test_each_utterance_is_in_one_batch_that_it_fits(
    lengths, multiple, batch_size, seed
):
    batches = plan_batches(
        lengths,
        multiple,
        batch_size=batch_size,
        generator=np.random.default_rng(seed),
    )
    indices = [index for batch in batches for index in batch.indices]
    assert sorted(indices) == list(range(len(lengths)))
    for batch in batches:
        assert batch.padded_length % multiple == 0
        assert batch.padded_length >= max(lengths[i] for i in batch.indices)
    sizes = sorted(len(batch.indices) for batch in batches)
    assert all(size == batch_size for size in sizes[1:])
    assert sizes[0] <= batch_size


@given(LENGTHS, st.integers(1, 1000))
def test_a_budget_of_samples_is_kept(lengths, batch_samples):
    batches = plan_batches(lengths, 16, batch_samples=batch_samples)
    for batch in batches:
        rows = len(batch.indices)
        assert rows == 1 or rows * batch.padded_length <= batch_samples
    assert sum(len(batch.indices) for batch in batches) == len(lengths)
    smaller = [
        batch
        for batch in batches
        if len(batch.indices) < batch_samples // batch.padded_length
    ]
    assert len(smaller) <= 1


def test_order_depends_on_the_generator_alone():
    lengths = np.random.default_rng(0).integers(1, 100, 50)

    def plan(seed, **kwargs):
        generator = np.random.default_rng(seed)
        return plan_batches(
            lengths, 20, batch_size=4, generator=generator, **kwargs
        )

    assert plan(1) == plan(1)
    assert plan(1) != plan(2)
    ascending = [b.padded_length for b in plan(1, shortest_first=True)]
    assert ascending == sorted(ascending)
    assert plan(1, shortest_first=True) != plan(2, shortest_first=True)
    shuffled = [b.padded_length for b in plan(1)]
    assert shuffled != sorted(shuffled)


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ({}, "one of batch_size and batch_samples"),
        ({"batch_size": 1, "batch_samples": 9}, "one of"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"batch_samples": -1}, "batch_samples=-1"),
        ({"length_multiple": 0, "batch_size": 1}, "length_multiple=0"),
    ],
)
def test_bad_settings_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        plan_batches([1, 2], **{"length_multiple": 4, **arguments})


def test_rounding_up():
    assert [round_up(n, 4) for n in (1, 4, 5)] == [4, 4, 8]


def test_widths_never_fall_with_length():
    widths = widths_for_lengths([20, 10, 20, 30], [3, 9, 5, 2], 4)
    assert widths == {10: 12, 20: 12, 30: 12}
    widths = widths_for_lengths([20, 10, 30], [5, 1, 17], 4)
    assert widths == {10: 4, 20: 8, 30: 20}


def test_a_batch_is_padded_with_zeros():
    rows = [np.ones(2, "float32"), np.full(3, 2, "float32")]
    tokens = [np.asarray([5], "int32"), np.asarray([6, 7], "int32")]
    inputs, token_ids = pad_batch(rows, tokens, 4, 3)
    np.testing.assert_array_equal(
        inputs["samples"], [[1, 1, 0, 0], [2, 2, 2, 0]]
    )
    np.testing.assert_array_equal(inputs["num_samples"], [2, 3])
    np.testing.assert_array_equal(token_ids, [[5, 0, 0], [6, 7, 0]])
    assert inputs["samples"].dtype == np.float32
    assert inputs["num_samples"].dtype == token_ids.dtype == np.int32


@pytest.mark.parametrize(
    "token_ids, frames", [([], 0), ([4], 1), ([4, 4], 3), ([1, 2, 2, 2], 6)]
)
def test_ctc_needs_a_blank_between_equal_tokens(token_ids, frames):
    assert ctc_frames_needed(token_ids) == frames
