"""Text to ids of characters and words, and tokenizers through JSON."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.tokenizers import (
    CharacterTokenizer,
    WordTokenizer,
    tokenizer_from_config,
)
from keras_selfattn.preprocessing.vocabulary import BLANK

WORDS = "one two three four lazy dog".split()


def test_character_ids_are_fixed():
    tokenizer = CharacterTokenizer()
    assert tokenizer.vocabulary_size == 29
    assert tokenizer.vocabulary[:4] == [BLANK, " ", "'", "a"]
    assert tokenizer.encode("it's a") == [11, 22, 2, 21, 1, 3]
    assert tokenizer.decode([0, 11, 0, 22, 2, 21, 1, 3]) == "it's a"


@given(st.lists(st.text("abcxyz'", min_size=1), max_size=8))
def test_characters_round_trip(words):
    tokenizer = CharacterTokenizer()
    text = " ".join(words)
    ids = tokenizer.encode(text)
    assert 0 not in ids
    assert tokenizer.decode(ids) == text


def test_unknown_characters_are_named():
    with pytest.raises(ValueError, match=r"\['!', 'A'\]"):
        CharacterTokenizer().encode("A b!")


@pytest.mark.parametrize("tokens", ["", "aba"])
def test_character_tokens_are_distinct(tokens):
    with pytest.raises(ValueError, match="each of them once"):
        CharacterTokenizer(tokens)


def test_words_outside_the_list_are_one_token_a_row():
    tokenizer = WordTokenizer(["yes", "no"])
    assert tokenizer.vocabulary == [BLANK, "\u2581yes", "\u2581no", "<unk>"]
    assert tokenizer.encode("oh dear no never yes yes") == [3, 2, 3, 1, 1]
    assert tokenizer.decode([3, 0, 2, 3, 1, 1]) == "no yes yes"
    assert tokenizer.encode("") == []
    config = json.loads(json.dumps(tokenizer.get_config()))
    assert tokenizer_from_config(config).vocabulary == tokenizer.vocabulary


@pytest.mark.parametrize("words", [[], ["a", "a"], ["a b"], [""], ["<unk>"]])
def test_words_of_a_list_are_single_and_distinct(words):
    with pytest.raises(ValueError, match="without blanks"):
        WordTokenizer(words)


def test_a_tokenizer_comes_back_from_json():
    texts = [" ".join(WORDS[i:]) for i in range(len(WORDS))]
    pieces = SentencePieceTokenizer.train(texts, vocabulary_size=18)
    for tokenizer in (CharacterTokenizer(" xyz"), pieces):
        config = json.loads(json.dumps(tokenizer.get_config()))
        again = tokenizer_from_config(config)
        assert type(again) is type(tokenizer)
        assert again.vocabulary == tokenizer.vocabulary
        assert again.get_config() == tokenizer.get_config()
    assert again.encode("lazy dog") == pieces.encode("lazy dog")


@pytest.mark.parametrize(
    "config, reason",
    [
        ({"type": "syllables"}, "'syllables'"),
        ({}, "None"),
        ({"type": "sentencepiece"}, "base64"),
        ({"type": "sentencepiece", "model": "?"}, "base64"),
        ({"type": "sentencepiece", "model": "aGVsbG8="}, "5 bytes"),
        ({"type": "sentencepiece", "model": ""}, "0 bytes"),
    ],
)
def test_bad_configs_are_refused(config, reason):
    with pytest.raises(ValueError, match=reason):
        tokenizer_from_config(config)
