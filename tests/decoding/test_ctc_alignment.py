"""Frames held against texts: equal to trying every alignment."""

import itertools

import numpy as np
import pytest

from keras_selfattn.decoding.ctc import collapse, emissions
from keras_selfattn.decoding.ctc_alignment import align, text_scores
from tests.decoding.letter_frames import random_frames


def best_alignments(log_probabilities):
    """dict of a tuple of tokens to (ln p, path) of its best alignment."""
    num_frames, vocabulary = log_probabilities.shape
    found = {}
    for path in itertools.product(range(vocabulary), repeat=num_frames):
        tokens = tuple(collapse(np.array(path, "int32"))[0].tolist())
        log_prob = log_probabilities[range(num_frames), path].sum()
        if tokens not in found or found[tokens][0] < log_prob:
            found[tokens] = (log_prob, path)
    return found


@pytest.mark.parametrize("num_frames", [1, 2, 5])
@pytest.mark.parametrize("seed", range(4))
def test_the_alignment_is_the_best_of_all(num_frames, seed):
    log_probabilities = random_frames(num_frames, 3, seed)
    expected = best_alignments(log_probabilities)
    for tokens, (_, path) in expected.items():
        found = align(log_probabilities, list(tokens))
        np.testing.assert_array_equal(found, emissions(np.array(path)))
    texts = [list(tokens) for tokens in expected]
    np.testing.assert_allclose(
        text_scores(log_probabilities, texts),
        [log_prob for log_prob, _ in expected.values()],
    )


def test_equal_tokens_in_a_row_need_a_blank_between():
    log_probabilities = np.log(np.array([[0.1, 0.9]] * 3))
    np.testing.assert_array_equal(align(log_probabilities, [1, 1]), [1, 0, 1])
    assert text_scores(log_probabilities[:2], [[1, 1]]) == [-np.inf]
    with pytest.raises(ValueError, match="2 tokens .* at least 3"):
        align(log_probabilities[:2], [1, 1])


def test_no_tokens_and_no_frames():
    assert align(np.zeros((0, 4)), []).shape == (0,)
    np.testing.assert_array_equal(align(random_frames(3, 3, 0), []), [0, 0, 0])
    with pytest.raises(ValueError, match="in 0 frames"):
        align(np.zeros((0, 4)), [1])
