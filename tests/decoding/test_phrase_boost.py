"""Phrases earn their bonus while they are spelled, and only then."""

import pytest

from keras_selfattn.decoding.phrase_boost import PhraseBoost


def worth(boost, text):
    """What a text has earned after each character, and at its end."""
    state, total, along = boost.start, 0.0, []
    for character in text:
        earned, state = boost.advance(state, character)
        total += earned
        along.append(total)
    return along, total + boost.finish(state)


def test_each_character_earns_and_a_turn_gives_back():
    boost = PhraseBoost(["view glass"])
    along, end = worth(boost, "view glass")
    assert along == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] and end == 10
    along, end = worth(boost, "view gold")
    assert along == [1, 2, 3, 4, 5, 6, 0, 0, 0] and end == 0
    assert worth(boost, "view gl")[1] == 0  # the end gives back, too


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 0),
        ("anna", 4),
        ("annas", 0),
        ("joanna", 0),
        ("anna anna", 8),
        ("an anna", 4),
        ("ananna", 0),
        ("tell anna now", 4),
        ("ann", 0),
    ],
)
def test_whole_words_count(text, expected):
    assert worth(PhraseBoost(["anna"]), text)[1] == expected


def test_a_phrase_in_a_longer_one_is_not_paid_twice():
    boost = PhraseBoost(["new", "new york"])
    assert worth(boost, "new")[1] == 3
    assert worth(boost, "new york")[1] == 3 + 4
    assert worth(boost, "new yorkers")[1] == 3
    assert worth(boost, "new new york")[1] == 3 + 3 + 4


def test_factors_and_bonus_multiply():
    boost = PhraseBoost({"anna": 2.0, "anton": 0.5}, bonus=3.0)
    assert worth(boost, "anna")[1] == 4 * 6
    along, end = worth(boost, "anton")
    assert end == 5 * 1.5
    assert along[1] == 2 * 6  # it may still become Anna


def test_blanks_in_phrases_are_single():
    assert PhraseBoost(["  view   glass "]).phrases == {"view glass": 1.0}


@pytest.mark.parametrize("phrases", [[""], ["a", "  "], {"a": 0.0}])
def test_empty_phrases_and_factors_of_nothing_are_refused(phrases):
    with pytest.raises(ValueError, match="phrases"):
        PhraseBoost(phrases)
