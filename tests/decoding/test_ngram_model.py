"""Asking an n-gram model: back-off, states, beginnings of words."""

import math

import numpy as np
import pytest

from keras_selfattn.decoding import kneser_ney, ngram_model
from keras_selfattn.decoding.ngram_model import (
    NgramError,
    NgramLevel,
    NgramModel,
    WordList,
)
from tests.decoding.sentences import sentences


@pytest.fixture(scope="module")
def model():
    return kneser_ney.train(sentences(), 3)


def by_hand():
    """Words </s> <s> <unk> a b; `<s> a` is the one pair."""
    logs = np.log(np.array([0.2, 1e-9, 0.1, 0.4, 0.3], "float32"))
    backoffs = np.log(np.array([1, 0.5, 1, 1, 1], "float32"))
    return NgramModel(
        WordList.of(["</s>", "<s>", "<unk>", "a", "b"]),
        [
            NgramLevel(
                None,
                logs,
                backoffs=backoffs,
                first_children=np.array([0, 0, 1, 1, 1, 1], "uint32"),
            ),
            NgramLevel(
                np.array([3], "uint32"), np.log(np.array([0.7], "float32"))
            ),
        ],
    )


def test_what_is_stored_is_taken_and_the_rest_backs_off():
    model = by_hand()
    stored, state = model.score(model.start, "a")
    assert math.exp(stored) == pytest.approx(0.7)
    assert state == ()  # nothing goes on from `a`
    assert math.exp(model.score(model.start, "b")[0]) == pytest.approx(0.15)
    assert math.exp(model.score((), "b")[0]) == pytest.approx(0.3)
    assert math.exp(model.sentence(["a", "b"])) == pytest.approx(
        0.7 * 0.3 * 0.2
    )


def test_states_are_no_longer_than_what_matters(model):
    state, states = model.start, set()
    for line in sentences():
        for word in line:
            state = model.score(state, word)[1]
            states.add(state)
        assert all(len(s) <= model.order - 1 for s in states)
    # Equal futures are equal states: a word that was never seen has no past.
    assert model.score(model.start, "unheard of")[1] in states | {()}


def test_the_best_word_with_a_beginning_is_found_by_looking_at_all(model):
    words = [model.words[n] for n in range(len(model.words))]
    for beginning in ("", "b", "bi", "dog", "<", "s", "sm"):
        matching = [w for w in words if w.startswith(beginning)]
        best = max(model.score((), word)[0] for word in matching)
        assert model.best_with_prefix(beginning) == pytest.approx(best)
    assert model.best_with_prefix("zz") is None
    assert model.best_with_prefix("dogs") is None


def test_perplexity_is_one_over_the_geometric_mean():
    model = by_hand()
    expected = (0.7 * 0.2) ** (-1 / 2)
    assert model.perplexity([["a"]]) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match="at least one sentence"):
        model.perplexity([])


def test_caches_are_bounded(model, monkeypatch):
    monkeypatch.setattr(ngram_model, "_CACHED", 50)
    before = [model.sentence(line) for line in sentences()]
    for number in range(300):
        model.score(model.start, f"word{number}")
        model.best_with_prefix(f"w{number}")
    for cache in (model._ids, model._scores, model._places, model._best):
        assert len(cache) <= 51
    assert [model.sentence(line) for line in sentences()] == before


def test_words_must_be_sorted_and_have_the_marks():
    with pytest.raises(NgramError, match="sorted"):
        WordList.of(["b", "a"])
    with pytest.raises(NgramError, match="</s>"):
        NgramModel(WordList.of(["a"]), [])
