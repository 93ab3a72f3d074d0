import numpy as np
import pytest

from keras_selfattn.decoding.causal_context import CausalContext, overlapping
from keras_selfattn.decoding.token_scores import take_rows
from tests.decoding.causal_reader import VOCABULARY, logits_of, reader


def test_a_step_gives_what_the_whole_text_gives():
    read, empty = reader(places=6)
    context = CausalContext(read, empty, 6)
    state, hidden = context.start([3, 1, 4], rows=2)
    assert hidden.shape == (2, 2, VOCABULARY)
    text = [3, 1, 4, 1, 2]
    for position, token in enumerate(text[2:]):
        logits, vectors, state = context.step_hidden(
            np.array([token, token]), position, state
        )
        expected = logits_of(text[: 3 + position])
        np.testing.assert_allclose(logits, [expected, expected])
        np.testing.assert_allclose(vectors, 2 * logits)


def test_a_full_cache_goes_on_with_its_newer_half():
    read, empty = reader(places=4)
    context = CausalContext(read, empty, 4)
    text = [3, 1, 4, 1, 2, 0, 2, 3]
    state, _ = context.start(text[:1], rows=1)
    seen = []
    for position, token in enumerate(text):
        logits, state = context.step(np.array([token]), position, state)
        seen.append(logits[0])
    windows = [(0, 1), (0, 2), (0, 3), (0, 4), (2, 5), (2, 6), (4, 7), (4, 8)]
    for found, (first, end) in zip(seen, windows, strict=True):
        np.testing.assert_allclose(found, logits_of(text[first:end]))


def test_a_long_beginning_keeps_its_end():
    read, empty = reader(places=4)
    context = CausalContext(read, empty, 4)
    state, hidden = context.start([0, 1, 2, 3, 4, 0], rows=1)
    assert hidden.shape[1] == 3
    logits, _ = context.step(np.array([0]), 0, state)
    np.testing.assert_allclose(logits[0], logits_of([2, 3, 4, 0]))


def test_rows_are_taken_from_the_state():
    read, empty = reader(places=6)
    context = CausalContext(read, empty, 6)
    state, _ = context.start([3], rows=2)
    _, state = context.step(np.array([1, 2]), 0, state)
    logits, _ = context.step(np.array([0, 0]), 1, take_rows(state, [1, 1]))
    np.testing.assert_allclose(logits, [logits_of([2, 0])] * 2)


def test_errors_say_what_is_missing():
    read, empty = reader(places=4)
    with pytest.raises(ValueError, match="num_places=1; expected at least 2"):
        CausalContext(read, empty, 1)
    with pytest.raises(ValueError, match="beginning is empty"):
        CausalContext(read, empty, 4).start([], 1)


@pytest.mark.parametrize("length, most", [(0, 4), (1, 4), (5, 4), (10, 4)])
def test_windows_score_each_token_once(length, most):
    scored = []
    for start, known in overlapping(length, most):
        window = range(start, min(start + most + 1, length))
        assert known == 0 or known >= most // 2
        scored += list(window)[1:][known:]
    assert scored == list(range(1, length))
