import pytest

from keras_selfattn.preprocessing.spoken_numbers import (
    normalize_hypothesis,
    readings,
    spell_number,
)


@pytest.mark.parametrize(
    "digits, words",
    [
        ("0", "zero"),
        ("7", "seven"),
        ("14", "fourteen"),
        ("20", "twenty"),
        ("42", "forty two"),
        ("100", "one hundred"),
        ("219", "two hundred nineteen"),
        ("1995", "one thousand nine hundred ninety five"),
        ("9000", "nine thousand"),
        ("0351", "zero three five one"),
        ("20895", "two zero eight nine five"),
    ],
)
def test_numbers_are_spelled(digits, words):
    assert spell_number(digits) == words


@pytest.mark.parametrize(
    "text, normal",
    [
        (" Mark's going -- to see!", "mark's going to see"),
        ("2, 6, 4, 8", "two six four eight"),
        ("2-6-4", "two six four"),
        ("1,200 men", "one thousand two hundred men"),
        ("caf\u00e9 \u4f60\u597d ok \u00bd", "cafe ok"),
        ("", ""),
    ],
)
def test_every_system_is_normalised_alike(text, normal):
    assert normalize_hypothesis(text) == normal


def test_a_number_has_two_readings_and_words_have_one():
    assert readings("Room 42.") == ["room forty two", "room four two"]
    assert readings("No number") == ["no number"]
