import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    SPECIAL_TOKENS,
    best_source_ids,
    best_target_ids,
    normalize_text,
    source_ids,
    split_to_fit,
    target_ids,
)
from tests.translation_examples import number_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return number_tokenizer()


def words(text):
    return len(text.split())


def test_the_special_ids_are_those_of_the_tokens(tokenizer):
    assert tokenizer.vocabulary[PAD_ID] == "<pad>" == SPECIAL_TOKENS[0]
    assert tokenizer.vocabulary[BOS_ID] == "<s>"
    assert tokenizer.vocabulary[EOS_ID] == "</s>"
    assert tokenizer.vocabulary[tokenizer.unknown_id] == "<unk>"


def test_the_best_ways_end_with_the_end(tokenizer):
    ways = best_source_ids(tokenizer, "seven  three five", 3)
    assert ways[0][0] == source_ids(tokenizer, "seven three five")
    assert [ids[-1] for ids, _ in ways] == [EOS_ID] * len(ways)
    ways = best_target_ids(tokenizer, "2 1", 2)
    assert ways[0][0] == target_ids(tokenizer, "2 1")


def test_ids_end_with_the_end(tokenizer):
    ids = source_ids(tokenizer, " two  one ")
    assert ids[-1] == EOS_ID
    assert EOS_ID not in ids[:-1]
    assert tokenizer.decode(ids) == "two one"
    assert tokenizer.decode(target_ids(tokenizer, "2 1")) == "2 1"


def test_what_the_vocabulary_lacks_is_unknown_and_goes_on(tokenizer):
    ids = source_ids(tokenizer, "two 🎉 你好 one")
    assert tokenizer.unknown_id in ids
    assert tokenizer.decode(ids) == "two one"
    twin = tokenizer_from_config(json.loads(json.dumps(tokenizer.get_config())))
    assert source_ids(twin, "two 🎉 你好 one") == ids


@pytest.mark.parametrize(
    "text,form,expected",
    [
        ("  a\tb \n c ", "NFC", "a b c"),
        ("ＡＢ１２，", "NFKC", "AB12,"),
        ("ＡＢ１２，", "NFC", "ＡＢ１２，"),
        ("e\u0301", "NFC", "é"),
        ("a\u0000b\u0007c\ud800", "NFC", "abc"),
        ("\u3000\u00a0", "NFC", ""),
        ("", "NFKC", ""),
        ("👩\u200d🚀", "NFC", "👩\u200d🚀"),
    ],
)
def test_a_line_is_made_plain(text, form, expected):
    assert normalize_text(text, form) == expected


@pytest.mark.parametrize("text", [None, 3, b"bytes", ["a"]])
def test_what_is_not_text_is_refused(text):
    with pytest.raises(ValueError, match=r"Expected a text \(str\)"):
        normalize_text(text)


@pytest.mark.parametrize(
    "text,most,expected",
    [
        ("One two. Three four!", 9, ["One two. Three four!"]),
        ("One two. Three four!", 3, ["One two.", "Three four!"]),
        ('He said "no." Then he left.', 4, ['He said "no."', "Then he left."]),
        ("a b, c d, e f", 4, ["a b, c d,", "e f"]),
        ("a b c d e", 2, ["a b", "c d", "e"]),
        ("", 3, []),
        ("3.5 is no end of a sentence", 7, ["3.5 is no end of a sentence"]),
    ],
)
def test_a_long_text_is_cut_where_it_hurts_least(text, most, expected):
    assert split_to_fit(text, words, most) == expected


def test_chinese_is_cut_behind_its_signs():
    text = "他来了。你好吗？我很好，谢谢你"
    assert split_to_fit(text, len, 8) == [
        "他来了。",
        "你好吗？",
        "我很好，谢谢你",
    ]
    assert split_to_fit(text, len, 5)[2:] == ["我很好，", "谢谢你"]


def test_a_word_longer_than_a_piece_is_cut_too():
    assert split_to_fit("abcdefgh", len, 3) == ["ab", "cd", "ef", "gh"]
    # A single sign is the least there is.
    assert split_to_fit("ab", lambda text: 9, 3) == ["a", "b"]
    with pytest.raises(ValueError, match="max_tokens=0"):
        split_to_fit("ab", len, 0)


@given(st.text("ab ,.。", max_size=60), st.integers(1, 9))
def test_nothing_is_lost_and_all_fits(text, most):
    text = normalize_text(text)
    parts = split_to_fit(text, len, most)
    assert "".join(parts).replace(" ", "") == text.replace(" ", "")
    assert all(len(part) <= most and part == part.strip() for part in parts)
