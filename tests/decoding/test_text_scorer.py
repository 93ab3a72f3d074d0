"""What a text is worth: model, words, phrases, however it is cut in pieces."""

import math

import pytest

from keras_selfattn.decoding import kneser_ney
from keras_selfattn.decoding.text_scorer import TextScorer, piece_texts
from tests.decoding.sentences import sentences

MODEL = kneser_ney.train(sentences(), 3)


def score(scorer, *pieces):
    state = scorer.start()
    for piece in pieces:
        state = scorer.advance(state, piece)
    return scorer.finish(state)


@pytest.mark.parametrize("text", ["", "the", "the dog runs", " the  dog "])
def test_a_whole_text_is_its_sentence_and_its_words(text):
    scorer = TextScorer(MODEL, lm_weight=0.7, word_bonus=0.4)
    words = text.split()
    expected = 0.7 * MODEL.sentence(words) + 0.4 * len(words)
    assert score(scorer, text) == pytest.approx(expected)


def test_the_cut_into_pieces_changes_nothing():
    scorer = TextScorer(MODEL, 0.5, 1.0, 2.0, phrases=["the dog"])
    whole = score(scorer, "the dog barks")
    assert score(scorer, *"the dog barks") == pytest.approx(whole)
    assert score(scorer, " the", " dog", " bar", "ks") == pytest.approx(whole)


def test_unknown_words_cost_and_names_do_not():
    plain = TextScorer(MODEL, 0.5, 0.0, 3.0)
    named = TextScorer(MODEL, 0.5, 0.0, 3.0, phrases=["zoe"], phrase_bonus=1.5)
    unknown = 0.5 * MODEL.sentence(["zoe"])
    assert score(plain, "zoe") == pytest.approx(unknown - 3.0)
    assert score(named, "zoe") == pytest.approx(unknown + 3 * 1.5)
    assert score(named, "zora") == pytest.approx(unknown - 3.0)


def test_a_word_is_guessed_from_its_beginning():
    scorer = TextScorer(MODEL, 1.0, 0.25, 4.0)
    state = scorer.advance(scorer.start(), "do")
    assert state.score == pytest.approx(MODEL.best_with_prefix("do") + 0.25)
    known = scorer.advance(scorer.start(), "bi").score
    assert scorer.advance(scorer.start(), "bx").score < known - 3.0
    # The guess is gone when the word is there.
    after = scorer.advance(scorer.start(), "dog ")
    expected = MODEL.score(MODEL.start, "dog")[0] + 0.25
    assert after.score == pytest.approx(expected)
    assert (after.guess, after.word) == (0.0, "")


def test_without_anything_all_texts_are_alike():
    scorer = TextScorer()
    assert scorer.is_neutral
    assert score(scorer, "the dog") == 0.0
    assert not TextScorer(MODEL).is_neutral
    assert not TextScorer(phrases=["a"]).is_neutral
    assert TextScorer(MODEL, lm_weight=0.0).is_neutral


def test_pieces_of_a_vocabulary():
    pieces = ["<blank>", "\u2581the", "s", "\u2581", "<", "<unk>", "<>"]
    assert piece_texts(pieces) == ["", " the", "s", " ", "<", "", "<>"]


@pytest.mark.parametrize(
    "options", [{"lm_weight": -1.0}, {"unknown_penalty": -0.1}]
)
def test_negative_weights_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        TextScorer(MODEL, **options)


def test_guesses_are_bounded():
    scorer = TextScorer(MODEL)
    scorer._guesses = {str(n): 0.0 for n in range((1 << 16) + 1)}
    value = scorer.advance(scorer.start(), "d").score
    assert len(scorer._guesses) == 1 and math.isfinite(value)
