import numpy as np
import pytest

from keras_selfattn.data.associative_recall import (
    associative_recall,
    vocabulary_size,
)

SIZES = {"num_keys": 6, "num_values": 5, "num_pairs": 4}


@pytest.mark.parametrize("length", [8, 21])
def test_every_question_is_answered_by_the_pair_before_it(length):
    ids, labels, distances = associative_recall(50, length, **SIZES)
    assert ids.shape == labels.shape == distances.shape == (50, length)
    # Pairs and questions leave no room for a filler in 8 tokens.
    assert ids.min() == (2 if length == 8 else 1)
    assert ids.max() < vocabulary_size(6, 5) == 38
    for row, column in zip(*np.nonzero(labels >= 0)):
        key = ids[row, column] - 2
        assert 0 <= key < 6 and column >= length // 2
        pair = ids[row, column - distances[row, column]] - 8
        assert divmod(pair, 5) == (key, labels[row, column])
        assert column - distances[row, column] < length // 2


def test_each_key_is_said_and_asked_once():
    ids, labels, _ = associative_recall(50, 20, **SIZES)
    assert ((labels >= 0).sum(1) == 4).all()
    for row, asked in zip(ids, labels >= 0):
        said = row[row >= 8]
        assert len(set((said - 8) // 5)) == len(said) == 4
        assert set(row[asked] - 2) == set((said - 8) // 5)
    assert ((labels >= 0) == ((ids >= 2) & (ids < 8))).all()


def test_the_seed_decides():
    first, again, other = (
        associative_recall(5, 20, seed=seed)[0] for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()


@pytest.mark.parametrize("wrong", [{"num_pairs": 7}, {"num_pairs": 0}])
def test_pairs_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="does not fit"):
        associative_recall(2, 20, **{**SIZES, **wrong})
    with pytest.raises(ValueError, match="half of length=6"):
        associative_recall(2, 6, **SIZES)
