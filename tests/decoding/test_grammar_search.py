"""Only what the grammar allows comes out, with slots, score and places."""

import numpy as np
import pytest

from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.grammar_search import GrammarSearch
from keras_selfattn.decoding.jsgf import GrammarError
from tests.decoding.grammars import parsed
from tests.decoding.letter_frames import IDS, LETTERS, random_frames, written
from tests.decoding.test_jsgf import COFFEE

ORDERS = "(get | brew) [a] [(small | large) {size}] (latte | tea) {drink}"


@pytest.fixture(scope="module")
def search():
    return GrammarSearch(parsed(ORDERS), LETTERS)


@pytest.mark.parametrize(
    ("heard", "text", "slots"),
    [
        ("get tea", "get tea", {"drink": "tea"}),
        (
            "brew a small latte",
            "brew a small latte",
            {"size": "small", "drink": "latte"},
        ),
        ("bru a lardge late", "brew a large latte", {"size": "large"}),
        ("gett a smal te", "get a small tea", {"size": "small"}),
    ],
)
def test_the_nearest_sentence_comes_out(search, heard, text, slots):
    match = search.search(written(heard))
    assert match.text == text
    assert slots.items() <= match.slots.items()
    assert (match.score > -0.1) == (heard == text)


def test_words_have_their_frames(search):
    frames = written("get a tea", blanks=2)
    match = search.search(frames)
    assert match.words == [("get", 0, 6), ("a", 12, 12), ("tea", 18, 24)]
    assert match.frames.shape == (len(frames),)
    letters = "".join(LETTERS[token] for token in match.frames if token)
    assert letters == "get a tea"
    np.testing.assert_array_equal(
        np.flatnonzero(match.frames), np.arange(0, len(frames), 3)
    )


def test_long_silence_is_passed_over_and_places_stay(search):
    heard = "get a tea"
    quiet = written("_" * 400, sure=0.9999, blanks=0)
    frames = np.concatenate([quiet, written(heard), quiet])
    match = search.search(frames)
    assert match.text == heard
    assert match.words[0] == ("get", 400, 404)
    every = GrammarSearch(parsed(ORDERS), LETTERS, sure_blank=1.0)
    whole = every.search(frames)
    assert (whole.words, whole.slots) == (match.words, match.slots)
    assert whole.score == pytest.approx(match.score, abs=1e-3)


def test_the_score_tells_what_the_grammar_does_not_know(search):
    inside = [search.search(written(t)).score for t in ("get tea", "brew tea")]
    outside = [
        search.search(written(text)).score
        for text in ("what a nice day it is", "please call me back", "zzzzz")
    ]
    assert min(inside) > -0.1 and max(outside) < -1.5


def test_spellings_make_a_word_heard():
    grammar = parsed("yes {answer} | no {answer}")
    heard = written("jas", sure=0.97)
    plain = GrammarSearch(grammar, LETTERS).search(heard)
    helped = GrammarSearch(grammar, LETTERS, {"yes": ["jas"]}).search(heard)
    assert helped.slots == {"answer": "yes"} and helped.text == "yes"
    assert helped.score > plain.score + 1


def test_values_of_tags_and_nested_slots():
    grammar = parsed("set ((one {n=1} | two {n=2}) minutes {unit}) {time}")
    match = GrammarSearch(grammar, LETTERS).search(written("set two minutes"))
    assert match.slots == {"n": "2", "unit": "minutes", "time": "two minutes"}


def test_garbage_is_no_word():
    grammar = parsed("[<GARBAGE>] brew tea [<GARBAGE>]")
    search = GrammarSearch(grammar, LETTERS, garbage=0.5)
    match = search.search(written("so erm brew tea please"))
    assert match.text == "brew tea"
    first, last = match.words[0][1], match.words[1][2]
    assert (first, last) == (2 * 7, 2 * 14)


def test_the_coffee_grammar_hears_an_order():
    search = GrammarSearch(jsgf.read(COFFEE), LETTERS)
    text = "can i get a large dark roast iced mocha with a lot of oat milk"
    text = text.replace("oat", "soy")
    match = search.search(written(text))
    assert match.text == text
    assert match.slots == {
        "size": "large",
        "roast": "dark roast",
        "coffeeDrink": "iced mocha",
        "milkAmount": "a lot of soy milk",
    }


def test_too_few_frames_and_none(search):
    assert search.search(np.zeros((0, len(LETTERS)))) is None
    exact = GrammarSearch(parsed(ORDERS), LETTERS, left_out=None)
    assert exact.search(written("ge", blanks=0)) is None
    # Frames that a run of blanks would have been cut to are enough whole.
    assert exact.search(written("_" * 12, sure=0.9999, blanks=0)) is not None


@pytest.mark.parametrize("shape", [(3,), (3, 5), (2, 3, 28)])
def test_frames_of_another_shape_are_refused(search, shape):
    with pytest.raises(ValueError, match="Received log-probabilities"):
        search.search(np.zeros(shape))


def test_nan_is_refused(search):
    frames = random_frames(5, len(LETTERS), 0)
    frames[2, IDS["a"]] = np.nan
    with pytest.raises(ValueError, match="NaN"):
        search.search(frames)


@pytest.mark.parametrize(
    "options", [{"other": 1.0}, {"added": -0.1}, {"garbage": -1.0}]
)
def test_settings_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=next(iter(options))):
        GrammarSearch(parsed("a"), LETTERS, **options)


def test_words_that_cannot_be_spelled_are_refused():
    with pytest.raises(GrammarError, match="'7'"):
        GrammarSearch(parsed("7"), LETTERS)
