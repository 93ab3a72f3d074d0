"""Prefix beam: equal to the sum over all alignments, in any portions."""

import itertools
import math

import numpy as np
import pytest

from keras_selfattn.decoding import kneser_ney
from keras_selfattn.decoding.ctc import collapse
from keras_selfattn.decoding.ctc_prefix_beam import CtcPrefixBeam
from keras_selfattn.decoding.text_scorer import TextScorer
from tests.decoding.letter_frames import random_frames

LETTERS = ["<blank>", " ", "a", "b"]
WIDE = {
    "beam_size": 10_000,
    "beam_log_width": 1e3,
    "token_log_width": 1e3,
    "sure_blank": 1.0,
}


def sums_of_all_alignments(log_probabilities):
    """dict of a tuple of tokens to ln of its probability."""
    num_frames, vocabulary = log_probabilities.shape
    found = {}
    for path in itertools.product(range(vocabulary), repeat=num_frames):
        tokens = tuple(collapse(np.array(path, "int32"))[0].tolist())
        log_prob = log_probabilities[range(num_frames), path].sum()
        found[tokens] = np.logaddexp(found.get(tokens, -np.inf), log_prob)
    return found


@pytest.mark.parametrize("seed", range(6))
def test_a_wide_beam_sums_over_every_alignment(seed):
    log_probabilities = random_frames(6, 4, seed)
    search = CtcPrefixBeam(LETTERS, **WIDE)
    search.feed(log_probabilities)
    expected = sums_of_all_alignments(log_probabilities)
    best = max(expected, key=expected.get)
    found = search.finish(num_best=100_000)
    assert tuple(found[0].token_ids) == best
    for hypothesis in found:
        value = expected[tuple(hypothesis.token_ids)]
        assert hypothesis.log_prob == pytest.approx(value, abs=1e-9)
        assert hypothesis.score == pytest.approx(value, abs=1e-9)
    texts = {
        " ".join("".join(LETTERS[t] for t in tokens).split())
        for tokens in expected
    }
    assert len(found) == len(texts)


@pytest.mark.parametrize("seed", range(3))
def test_texts_are_ranked_by_sound_and_scorer(seed):
    model = kneser_ney.train([["a", "b"], ["a", "b"], ["ab"]], 2)
    scorer = TextScorer(model, 1.5, 0.5, 1.0, phrases=["ba"])
    log_probabilities = random_frames(6, 4, seed)
    search = CtcPrefixBeam(LETTERS, scorer, **WIDE)
    search.feed(log_probabilities)
    ranked = {}
    for tokens, log_prob in sums_of_all_alignments(log_probabilities).items():
        text = "".join(LETTERS[token] for token in tokens)
        state = scorer.advance(scorer.start(), text)
        score = log_prob + scorer.finish(state)
        name = " ".join(text.split())
        ranked[name] = max(ranked.get(name, -math.inf), score)
    found = search.finish(num_best=5)
    best = sorted(ranked, key=ranked.get, reverse=True)[:5]
    texts = [search.text_of(h.token_ids) for h in found]
    assert texts == best
    for name, hypothesis in zip(best, found, strict=True):
        assert hypothesis.score == pytest.approx(ranked[name], abs=1e-9)


@pytest.mark.parametrize("portion", [1, 3, 7])
def test_portions_change_nothing(portion):
    log_probabilities = random_frames(40, 4, 1, sharpness=2.0)
    whole, parts = CtcPrefixBeam(LETTERS), CtcPrefixBeam(LETTERS)
    whole.feed(log_probabilities)
    for start in range(0, 40, portion):
        parts.feed(log_probabilities[start : start + portion])
    assert parts.finish(3) == whole.finish(3)
    assert parts.text() == whole.text()
    assert parts.num_frames == 40


def test_asking_for_the_end_does_not_end_it():
    log_probabilities = random_frames(30, 4, 2)
    asked, other = CtcPrefixBeam(LETTERS), CtcPrefixBeam(LETTERS)
    for frame in log_probabilities:
        asked.feed(frame[np.newaxis])
        asked.finish()
        asked.text()
    other.feed(log_probabilities)
    assert asked.finish(4) == other.finish(4)
    asked.reset()
    asked.feed(log_probabilities[:5])
    other.reset()
    other.feed(log_probabilities[:5])
    assert asked.finish(4) == other.finish(4)
    assert CtcPrefixBeam(LETTERS).finish()[0].token_ids == []


def test_sure_blanks_are_passed_over_at_no_loss():
    log_probabilities = random_frames(12, 4, 3)
    sure = np.log(np.array([1 - 3e-6, 1e-6, 1e-6, 1e-6]))
    log_probabilities[[0, 4, 5, 9]] = sure
    quick = CtcPrefixBeam(LETTERS, **{**WIDE, "sure_blank": 0.999})
    exact = CtcPrefixBeam(LETTERS, **{**WIDE, "beam_size": 2000})
    quick.feed(log_probabilities)
    exact.feed(log_probabilities)
    one, other = quick.finish()[0], exact.finish()[0]
    assert one.token_ids == other.token_ids
    assert one.log_prob == pytest.approx(other.log_prob, abs=1e-3)


def test_the_tree_keeps_what_lives_only():
    search = CtcPrefixBeam(LETTERS, beam_size=4)
    for seed in range(60):
        search.feed(random_frames(10, 4, seed))
    root = search._beam[0]
    while root.parent is not None:
        root = root.parent
    waiting, leaves, count = [root], 0, 0
    while waiting:
        prefix = waiting.pop()
        count += 1
        waiting += prefix.children.values()
        if not prefix.children:
            leaves += 1
            assert prefix.living
    assert leaves <= 4
    longest = max(len(prefix.tokens()) for prefix in search._beam)
    assert count <= longest + 4 * longest


def test_a_narrow_beam_with_a_language_model_mends_a_word():
    model = kneser_ney.train([["aba"], ["aba", "b"]], 2)
    probabilities = np.full((5, 4), 0.02)
    for frame, token in enumerate([2, 3, 3, 0, 0]):
        probabilities[frame, token] = 0.94
    probabilities[3] = [0.55, 0.02, 0.41, 0.02]
    plain, helped = (
        CtcPrefixBeam(LETTERS, scorer)
        for scorer in (None, TextScorer(model, 1.0))
    )
    for search in (plain, helped):
        search.feed(np.log(probabilities))
    assert plain.text_of(plain.finish()[0].token_ids) == "ab"
    assert helped.text_of(helped.finish()[0].token_ids) == "aba"


def test_pieces_of_words_are_texts_with_blanks():
    pieces = ["<blank>", "\u2581the", "\u2581do", "g"]
    search = CtcPrefixBeam(pieces)
    path = [1, 0, 2, 3]
    search.feed(np.log(np.eye(4)[path] * 0.96 + 0.01))
    assert search.text() == "the dog"
    assert search.token_ids() == [1, 2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"beam_size": 0}, "beam_size=0"),
        ({"max_tokens": 0}, "max_tokens=0"),
        ({"sure_blank": 0.0}, "sure_blank=0.0"),
        ({"beam_log_width": 0.0}, "beam_log_width=0.0"),
        ({"token_log_width": -1.0}, "token_log_width=-1.0"),
    ],
)
def test_settings_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        CtcPrefixBeam(LETTERS, **options)


def test_bad_frames_are_refused_and_the_search_goes_on():
    log_probabilities = random_frames(8, 4, 5)
    search, other = CtcPrefixBeam(LETTERS), CtcPrefixBeam(LETTERS)
    search.feed(log_probabilities[:4])
    broken = log_probabilities.copy()
    broken[2, 1] = np.nan
    for wrong in (broken, log_probabilities[:, :3], log_probabilities[0]):
        with pytest.raises(ValueError, match="Received"):
            search.feed(wrong)
    search.feed(log_probabilities[4:])
    search.feed(log_probabilities[:0])
    other.feed(log_probabilities)
    assert search.finish() == other.finish()
