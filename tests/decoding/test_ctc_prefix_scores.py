"""CTC prefix scores against sums over all texts and all alignments."""

import itertools

import numpy as np
import pytest

from keras_selfattn.decoding.ctc_prefix_scores import CtcPrefixScores

T, V = 5, 3


def frames(seed=0, batch=1):
    logits = np.random.default_rng(seed).normal(size=(batch, T, V), scale=2)
    return logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))


def text_probabilities(log_probabilities):
    """Dict of text to probability, by walking through every alignment."""
    found = {}
    length, size = log_probabilities.shape
    for path in itertools.product(range(size), repeat=length):
        text = tuple(k for k, _ in itertools.groupby(path) if k)
        p = np.exp(sum(log_probabilities[t, k] for t, k in enumerate(path)))
        found[text] = found.get(text, 0.0) + p
    return found


def prefix_probability(texts, prefix):
    return sum(p for text, p in texts.items() if text[: len(prefix)] == prefix)


@pytest.mark.parametrize("lengths", [(5, 5), (5, 3), (1, 4)])
def test_scores_are_sums_over_all_alignments(lengths):
    rows = frames(1, batch=2)
    texts = [
        text_probabilities(row[:length]) for row, length in zip(rows, lengths)
    ]
    # Two rows an utterance: texts grow along two different paths.
    paths = [(1, 2, 2), (2, 2, 1), (1, 1, 2), (2, 1, 2)]
    scores = CtcPrefixScores(rows, np.array(lengths), rows_each=2)
    state, last = scores.start(), np.zeros(4, int)
    for depth in range(3):
        for row, path in enumerate(paths):
            whole = texts[row // 2].get(path[:depth], 0.0)
            np.testing.assert_allclose(
                np.exp(scores.ends(state)[row]), whole, rtol=1e-9, atol=1e-300
            )
        candidates = np.tile([1, 2], (4, 1))
        psi, states = scores.extend(last, candidates, state, depth == 0)
        for row, path in enumerate(paths):
            for place, token in enumerate((1, 2)):
                expected = prefix_probability(
                    texts[row // 2], (*path[:depth], token)
                )
                np.testing.assert_allclose(
                    np.exp(psi[row, place]), expected, rtol=1e-9, atol=1e-300
                )
        last = np.array([path[depth] for path in paths])
        state = scores.choose(states, np.arange(4), last - 1)


def test_what_follows_a_text_and_its_end_sum_to_its_prefix():
    scores = CtcPrefixScores(frames(2), np.array([T]))
    psi, states = scores.extend([0], np.array([[1, 2]]), scores.start(), True)
    state = scores.choose(states, np.array([0]), np.array([0]))
    after, _ = scores.extend([1], np.array([[1, 2]]), state)
    total = np.exp(after).sum() + np.exp(scores.ends(state)[0])
    np.testing.assert_allclose(total, np.exp(psi[0, 0]), rtol=1e-9)


def test_padding_frames_change_nothing():
    rows = frames(3)
    garbled = rows.copy()
    garbled[:, 3:] = frames(4)[:, 3:]
    results = []
    for x in (rows, garbled):
        scores = CtcPrefixScores(x, np.array([3]))
        psi, states = scores.extend([0], np.array([[2]]), scores.start(), True)
        results.append((psi[0, 0], scores.ends(states[:, 0])[0]))
    assert results[0] == results[1]


def test_impossible_frames_do_not_poison_the_sums():
    rows = frames(5)
    rows[0, 2] = np.log([0.4, 1e-300, 0.6])
    rows[0, 2, 1] = -np.inf
    scores = CtcPrefixScores(rows, np.array([T]))
    psi, states = scores.extend(
        [0], np.array([[1, 2]]), scores.start(), is_empty=True
    )
    texts = text_probabilities(rows[0])
    np.testing.assert_allclose(
        np.exp(psi[0]), [prefix_probability(texts, (k,)) for k in (1, 2)]
    )
    assert np.isfinite(states).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="NaN"):
        CtcPrefixScores(np.full((1, 2, 3), np.nan), np.array([2]))
    with pytest.raises(ValueError, match="lengths"):
        CtcPrefixScores(frames(), np.array([T + 1]))
    with pytest.raises(ValueError, match="shape"):
        CtcPrefixScores(frames()[0], np.array([T]))
