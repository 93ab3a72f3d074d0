import numpy as np
import pytest

from keras_selfattn.decoding.token_scores import (
    ban_repeats,
    log_probabilities,
    row_limits,
    take_rows,
)


def test_rows_are_taken_from_every_array():
    state = {"a": np.arange(3), "b": [np.eye(3), (np.zeros(3), None)]}
    found = take_rows(state, np.array([2, 2, 0, 1]))
    assert found["a"].tolist() == [2, 2, 0, 1]
    assert found["b"][0].tolist() == np.eye(3)[[2, 2, 0, 1]].tolist()
    assert isinstance(found["b"][1], tuple)
    assert found["b"][1][0].shape == (4,)
    assert take_rows(None, [0]) is None


def test_what_is_banned_takes_no_part_in_the_sum():
    logits = np.array([[1.0, 2.0, 3.0], [900.0, -900.0, 0.0]], "float32")
    scores = log_probabilities(logits, banned_ids=(0,))
    assert (scores[:, 0] == -np.inf).all()
    np.testing.assert_allclose(np.exp(scores).sum(-1), 1.0)
    np.testing.assert_allclose(np.exp(scores[0, 2]), 1 / (1 + np.exp(-1.0)))
    assert logits[0, 0] == 1.0  # what came is left as it was


@pytest.mark.parametrize(
    "logits", [np.zeros(3), np.array([[0.0, np.nan]]), np.array([[np.inf, 0]])]
)
def test_other_logits_are_refused(logits):
    with pytest.raises(ValueError, match="expected finite numbers"):
        log_probabilities(logits)


@pytest.mark.parametrize(
    "size,banned",
    [
        (0, []),
        (1, [1, 2, 3]),
        (2, [3]),  # 2 stood once before, and 3 followed
        (3, [3]),  # 1 2 stood once before, and 3 followed
        (4, []),
        (9, []),
    ],
)
def test_no_run_of_tokens_stands_twice(size, banned):
    scores = np.zeros((2, 5))
    tokens = np.array([[1, 2, 3, 1, 2], [4, 4, 0, 1, 3]])
    ban_repeats(scores, tokens, size)
    assert np.flatnonzero(scores[0] == -np.inf).tolist() == banned
    if size != 1:
        assert (scores[1] == 0).all()


def test_a_negative_size_is_refused():
    with pytest.raises(ValueError, match="no_repeat_ngram=-1"):
        ban_repeats(np.zeros((1, 2)), np.zeros((1, 1), int), -1)


def test_limits_are_one_for_all_or_one_each():
    assert row_limits(3, 2).tolist() == [3, 3]
    assert row_limits(np.array([3, 1]), 2).tolist() == [3, 1]
    with pytest.raises(ValueError, match="max_length=0"):
        row_limits(0, 2)
    with pytest.raises(ValueError, match="max_length=2.5"):
        row_limits(2.5, 2)
