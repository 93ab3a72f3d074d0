"""Text to ids and back; both kinds, through JSON, and without the package."""

import json
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.preprocessing.tokenizers import (
    BLANK,
    CharacterTokenizer,
    SentencePieceTokenizer,
    WordTokenizer,
    detokenize,
    tokenizer_from_config,
)

WORDS = (
    "one two three four five six seven eight nine ten the a of it's don't "
    "quick brown fox jumps over lazy dog speech reads sound makes words"
).split()


@pytest.fixture(scope="module")
def pieces():
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=6)) for _ in range(400)]
    return SentencePieceTokenizer.train(texts, vocabulary_size=55)


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


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=8))
def test_pieces_round_trip(pieces, words):
    text = " ".join(words)
    ids = pieces.encode(text)
    assert 0 not in ids
    assert pieces.decode(ids) == text


def test_pieces_are_those_of_sentencepiece(pieces):
    import sentencepiece

    processor = sentencepiece.SentencePieceProcessor(
        model_proto=pieces.model_bytes
    )
    assert pieces.vocabulary[0] == BLANK
    assert pieces.vocabulary[1:] == [
        processor.id_to_piece(i) for i in range(processor.get_piece_size())
    ]
    assert pieces.vocabulary_size == 55
    assert len(pieces.encode("brown speech")) < len("brown speech")
    assert pieces.encode("the fox") == [
        i + 1 for i in processor.encode("the fox")
    ]


def test_a_character_without_a_piece_raises(pieces):
    with pytest.raises(ValueError, match=r"\['é'\]"):
        pieces.encode("the café")


def test_training_again_gives_the_same_pieces():
    texts = [" ".join(WORDS[start:]) for start in range(len(WORDS))] * 4
    first = SentencePieceTokenizer.train(texts, 40)
    second = SentencePieceTokenizer.train(iter(texts), 40)
    assert first.vocabulary == second.vocabulary
    assert first.vocabulary_size == 40


def test_a_vocabulary_too_big_for_the_texts_is_refused():
    with pytest.raises(ValueError, match="vocabulary_size=5000"):
        SentencePieceTokenizer.train(["a b", "b a"], 5000)


def test_a_tokenizer_comes_back_from_json(pieces):
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


def test_the_package_is_needed_for_training_only(pieces, monkeypatch):
    texts = ["quick words", " lazy  dog ", "", "the \u00fc fox"]
    pieces = SentencePieceTokenizer(pieces.model_bytes, keep_unknown=True)
    ids = [pieces.encode(text) for text in texts]
    assert pieces.unknown_id in ids[3]
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    fresh = tokenizer_from_config(pieces.get_config())
    assert [fresh.encode(text) for text in texts] == ids
    assert fresh.decode(ids[0]) == "quick words"
    assert fresh.unknown_id == pieces.unknown_id
    with pytest.raises(ImportError, match="pip install sentencepiece"):
        fresh.encode_best("quick", 2)
    with pytest.raises(ImportError, match="pip install sentencepiece"):
        SentencePieceTokenizer.train(texts, 12)
    strict = SentencePieceTokenizer(pieces.model_bytes)
    with pytest.raises(ValueError, match="holds .'\u00fc'., not in the"):
        strict.encode(texts[3])


def test_detokenize_from_the_vocabulary_alone(pieces):
    vocabulary = [BLANK, "<unk>", "\u2581he", "llo", "\u2581", "w"]
    assert detokenize([2, 3, 0, 1, 4, 5], vocabulary) == "hello w"
    assert detokenize([], vocabulary) == ""
    characters = CharacterTokenizer()
    ids = [1, 3, 1, 1, 4, 1]
    assert detokenize(ids, characters.vocabulary) == "a b"
    with pytest.raises(ValueError, match="id 6 is outside"):
        detokenize([6], vocabulary)
    with pytest.raises(ValueError, match="id -1 is outside"):
        detokenize([-1], vocabulary)


def test_other_special_tokens_come_first():
    tokenizer = SentencePieceTokenizer.train(
        WORDS * 20, 40, ("<pad>", "<s>", "</s>"), keep_unknown=True
    )
    assert tokenizer.vocabulary[:4] == ["<pad>", "<s>", "</s>", "<unk>"]
    assert tokenizer.vocabulary_size == 40
    assert tokenizer.unknown_id == 3
    ids = tokenizer.encode("lazy \u4f60 dog")
    assert 3 in ids and min(ids) > 2
    assert tokenizer.decode(ids) == "lazy dog"
    config = json.loads(json.dumps(tokenizer.get_config()))
    assert tokenizer_from_config(config).encode("lazy \u4f60 dog") == ids
    with pytest.raises(ValueError, match="special_tokens"):
        SentencePieceTokenizer(tokenizer.model_bytes, ("pad",))


def test_the_config_of_a_ctc_tokenizer_is_what_it_was(pieces):
    assert set(pieces.get_config()) == {"type", "model"}


def test_the_best_ways_to_cut_a_text(pieces):
    found = pieces.encode_best("speech sound", 4)
    assert len(found) == 4
    assert found[0][0] == pieces.encode("speech sound")
    assert len({tuple(ids) for ids, _ in found}) == 4
    assert all(pieces.decode(ids) == "speech sound" for ids, _ in found)
    scores = [score for _, score in found]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] < 0


def test_replacements_are_read_in_place_of_characters():
    texts = ["ab ba", "AB BA", "aab bba"] * 20
    tokenizer = SentencePieceTokenizer.train(
        texts, 8, replacements=("AB", "ab")
    )
    assert not set("AB") & set("".join(tokenizer.vocabulary))
    assert tokenizer.encode("AB Ba") == tokenizer.encode("ab ba")
    assert tokenizer.encode_best("AB", 3) == tokenizer.encode_best("ab", 3)
    config = json.loads(json.dumps(tokenizer.get_config()))
    again = tokenizer_from_config(config)
    assert again.encode("AB Ba") == tokenizer.encode("ab ba")
    assert again.get_config() == config


@pytest.mark.parametrize("replacements", [("ab", "a"), ("a",), (1, 2)])
def test_replacements_are_two_texts_of_one_length(pieces, replacements):
    with pytest.raises(ValueError, match="two str of the same length"):
        SentencePieceTokenizer(pieces.model_bytes, replacements=replacements)
