import pytest

from keras_selfattn.preprocessing.whisper_languages import (
    LANGUAGES,
    code_of,
    language_codes,
)

VOCABULARY = "a <|en|> <|haw|> <|xx|> <|nospeech|> <|0.00|> en <|de|>".split()


def test_languages_have_codes_and_names():
    assert len(LANGUAGES) == 100 == len(set(LANGUAGES.values()))
    assert all(code.islower() and len(code) in (2, 3) for code in LANGUAGES)
    for given, code in (
        ("de", "de"),
        ("German", "de"),
        ("<|de|>", "de"),
        ("Haitian Creole", "ht"),
        ("mandarin", "zh"),
    ):
        assert code_of(given) == code


def test_a_vocabulary_has_marks_of_languages():
    assert language_codes(VOCABULARY) == {"en": 1, "haw": 2, "de": 7}


def test_an_unknown_language_is_told_some_that_are_known():
    with pytest.raises(ValueError, match=r"'Klingon'.* af .* and 94 more\."):
        code_of("Klingon")
    known = language_codes(VOCABULARY)
    for given in ("fr", "French", ""):
        with pytest.raises(ValueError, match=r"en \(english\), haw .*german\)"):
            code_of(given, known)
