"""Text to pieces and back, through JSON, and without the package."""

import json
import random
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from keras_selfattn.preprocessing.vocabulary import BLANK

WORDS = (
    "one two three four five six seven eight nine ten the a of it's don't "
    "quick brown fox jumps over lazy dog speech reads sound makes words"
).split()


@pytest.fixture(scope="module")
def pieces():
    generator = random.Random(0)
    texts = [" ".join(generator.choices(WORDS, k=6)) for _ in range(400)]
    return SentencePieceTokenizer.train(texts, vocabulary_size=55)


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
