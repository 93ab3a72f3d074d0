import numpy as np
import pytest

from keras_selfattn.decoding.contrastive_search import contrastive_search
from keras_selfattn.decoding.greedy_search import greedy_search

# Logits by the last token, and the vector of each: 1 is like 0, 2 is not.
LOGITS = np.log(
    [
        [0.01, 0.60, 0.30, 0.09],
        [0.01, 0.60, 0.30, 0.09],
        [0.01, 0.50, 0.40, 0.09],
        [0.25, 0.25, 0.25, 0.25],
    ]
)
VECTORS = np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0], [-1.0, -1.0]])


def step(token_ids, position, state):
    return LOGITS[token_ids], VECTORS[token_ids], state


def written(max_length=1, hidden=None, **options):
    (found,) = contrastive_search(
        step, None, hidden, 1, max_length, 0, -1, **options
    )
    return found.tolist()


def test_a_token_by_the_equation():
    """0.4 * 0.6 - 0.6 cos(h1, h0) < 0.4 * 0.3 - 0.6 cos(h2, h0) = 0.12."""
    assert written(top_k=2, alpha=0.6) == [2]
    # 0.95 * 0.6 - 0.05 * 0.995 = 0.52 > 0.95 * 0.3
    assert written(top_k=2, alpha=0.05) == [1]
    # 3 is unlike all, but is no candidate until there are three.
    assert written(top_k=3, alpha=0.6) == [3]


def test_the_whole_text_so_far_counts():
    assert written(2, top_k=2, alpha=0.6) == [2, 1]
    before = np.array([[[0.0, 5.0]]])  # 2 was said before the beginning, too
    # 1: 0.24 - 0.6 * 0.995; 2: 0.12 - 0.6 * 1
    assert written(1, before, top_k=2, alpha=0.6) == [1]


@pytest.mark.parametrize("options", [{"alpha": 0.0}, {"top_k": 1}], ids=str)
def test_without_contrast_it_is_greedy(options):
    (greedy,) = greedy_search(
        lambda ids, position, state: step(ids, position, state)[::2],
        None,
        1,
        6,
        0,
        -1,
    )
    assert written(6, **options) == greedy.tolist()


def test_rows_end_alone_and_banned_ids_never_come():
    found = contrastive_search(
        step, None, None, 2, np.array([1, 3]), 0, 2, 3, 0.6, banned_ids=(3,)
    )
    assert [row.tolist() for row in found] == [[], []]  # 2 ends both at once
    found = contrastive_search(
        step, None, None, 2, np.array([1, 3]), 0, -1, 3, 0.6, banned_ids=(3,)
    )
    assert [len(row) for row in found] == [1, 3]
    assert found[0][0] == found[1][0] and 3 not in found[1]


@pytest.mark.parametrize("wrong", [{"top_k": 0}, {"alpha": 1.1}], ids=str)
def test_settings_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match="expected top_k >= 1 and alpha in"):
        written(**wrong)
