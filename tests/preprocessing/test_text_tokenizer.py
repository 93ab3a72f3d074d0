import base64
import json
import sys

import numpy as np
import pytest

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.text_tokenizer import (
    PADDING,
    UNKNOWN,
    TextTokenizer,
    hash_ngrams,
    load_stop_words,
    pad_features,
)

WORDS = [PADDING, UNKNOWN, "a", "b"]


def test_the_most_frequent_words_have_ids():
    tokenizer = TextTokenizer.build(["b a b c", "a b d"], 5)
    assert tokenizer.vocabulary == [PADDING, UNKNOWN, "b", "a", "c"]
    assert tokenizer.vocabulary_size == 5
    assert tokenizer.encode("A b, d c") == [3, 2, 1, 1, 4]


def test_rare_words_have_none_and_others_can_be_added():
    tokenizer = TextTokenizer.build(["b a b c"], 9, min_count=2, also=["z"])
    assert tokenizer.vocabulary[2:] == ["b", "z"]
    again = TextTokenizer.build(["b"], 9, also=["b", PADDING, "c"])
    assert again.vocabulary == [PADDING, UNKNOWN, "b", "c"]


def test_a_batch_is_cut_and_padded():
    tokenizer = TextTokenizer(WORDS)
    (token_ids,) = tokenizer.batch(["a b a b", "b", ""], 3).values()
    assert token_ids.dtype == np.int32
    assert token_ids.tolist() == [[2, 3, 2], [3, 0, 0], [1, 0, 0]]
    assert tokenizer.batch(["b", "a b"])["token_ids"].tolist() == [
        [3, 0],
        [2, 3],
    ]
    assert tokenizer.batch([])["token_ids"].shape == (0, 1)


@pytest.mark.parametrize(
    "text", ["", " \n ", "???!", "\u4e00", "<padding>", "<br>"]
)
def test_a_text_without_a_known_word_is_unknown_never_padding(text):
    tokenizer = TextTokenizer(
        WORDS, {"kind": "words", "signs": True}, {"html": True}
    )
    ids = tokenizer.features(text)["token_ids"]
    assert len(ids) >= 1
    assert set(ids.tolist()) == {1}
    blanks = TextTokenizer(WORDS, "blanks")
    assert blanks.encode("<padding> a") == [1, 2]


@pytest.mark.parametrize(
    "options, kept",
    [
        ({}, "a b c d e f g"),
        ({"max_tokens": 7}, "a b c d e f g"),
        ({"max_tokens": 4}, "a b c d"),
        ({"max_tokens": 4, "truncation": "ends"}, "a b f g"),
        ({"max_tokens": 3, "truncation": "ends"}, "a b g"),
        ({"max_tokens": 1, "truncation": "ends"}, "a"),
        ({"max_tokens": 4, "start": "a", "end": "b"}, "a a b b"),
    ],
)
def test_a_long_text_is_cut_as_told(options, kept):
    tokenizer = TextTokenizer(WORDS, **options)
    assert tokenizer.tokens("a b c d e f g") == kept.split()


def test_100000_words_are_cut_in_a_moment():
    tokenizer = TextTokenizer(WORDS, cleaning={"html": True})
    ids = tokenizer.encode("<p>a b & " * 50_000)
    assert len(ids) == 512


def test_stop_words_go_before_the_cut():
    tokenizer = TextTokenizer(WORDS, stop_words=["the"], max_tokens=2)
    assert tokenizer.tokens("The a the b the a") == ["a", "b"]
    assert tokenizer.tokens("the The") == [UNKNOWN]


def test_stop_words_of_a_language():
    pytest.importorskip("stopwordsiso")
    assert "the" in load_stop_words("en")
    assert "\u7684" in load_stop_words("zh")
    with pytest.raises(ValueError, match="no list for 'xx'; it has"):
        load_stop_words("xx")


def test_ngrams_are_hashed_alike_everywhere():
    found = hash_ngrams(["a", "b", "c"], [1, 2, 3], 1000)
    assert found == [908, 682, 656, 512, 137, 740]
    assert hash_ngrams(["a"], [2], 1000) == []
    # A blank inside a token is no border of tokens.
    assert hash_ngrams(["a b"], [1], 10**6) != hash_ngrams(
        ["a", "b"], [2], 10**6
    )


def test_ngrams_of_tokens_and_of_characters():
    pairs = TextTokenizer(WORDS, ngrams={"num_buckets": 50})
    found = pairs.batch(["a b a", "z"])
    assert found["token_ids"].shape == (2, 3)
    assert found["ngram_ids"].tolist() == [
        hash_ngrams(["a", "b", "a"], [2], 50),
        [0, 0],
    ]
    letters = TextTokenizer(
        WORDS, ngrams={"orders": [3], "unit": "characters", "num_buckets": 9}
    )
    assert letters.features("ab  ba")["ngram_ids"].tolist() == hash_ngrams(
        list("ab ba"), [3], 9
    )


def test_pieces_of_a_model_that_was_trained_on_the_texts():
    pytest.importorskip("sentencepiece")
    texts = ["low lower lowest", "new newer newest"] * 20
    trained = SentencePieceTokenizer.train(texts, 16)
    model = base64.b64encode(trained.model_bytes).decode()
    tokenizer = TextTokenizer.build(
        texts, split={"kind": "sentencepiece", "model": model}
    )
    tokens = tokenizer.tokens("newer lowest")
    assert "".join(tokens).replace("\u2581", " ").strip() == "newer lowest"
    assert 1 not in tokenizer.encode("newer lowest")


def test_it_is_rebuilt_from_json():
    tokenizer = TextTokenizer(
        [PADDING, "[UNK]", "[CLS]", "[SEP]", "un", "##do", "do"],
        split="wordpiece",
        cleaning={"lower": True},
        stop_words=["the"],
        ngrams={"orders": (1, 2)},
        max_tokens=9,
        truncation="ends",
        unknown="[UNK]",
        start="[CLS]",
        end="[SEP]",
    )
    config = json.loads(json.dumps(tokenizer.get_config()))
    again = TextTokenizer(**config)
    assert again.get_config() == tokenizer.get_config()
    text = "Undo the DO, x"
    assert again.tokens(text) == tokenizer.tokens(text)
    assert tokenizer.encode(text) == [2, 4, 5, 1, 6, 1, 1, 3]
    assert again.mark_ids == [2, 3]


def test_ids_are_padded_by_name():
    rows = [{"x": np.array([1, 2], "int32")}, {"x": np.array([3], "int32")}]
    assert pad_features(rows)["x"].tolist() == [[1, 2], [3, 0]]
    assert pad_features(rows, {"x": 3})["x"].tolist() == [[1, 2, 0], [3, 0, 0]]


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"vocabulary": [*WORDS, "a"]}, r"\['a'\] twice"),
        ({"vocabulary": ["x", "y"]}, "unknown='<unknown>' must stand"),
        ({"unknown": PADDING}, "not first"),
        ({"start": "[CLS]"}, r"start='\[CLS\]' must stand"),
        ({"truncation": "middle"}, "'middle' is unknown"),
        ({"max_tokens": 0}, "leaves no room"),
        ({"max_tokens": 2, "start": "a", "end": "b"}, "leaves no room"),
        ({"split": "letters"}, "'letters' is unknown"),
        ({"split": {"kind": "words", "size": 3}}, "does not take"),
        ({"cleaning": {"upper": True}}, "unknown options"),
        ({"ngrams": {"size": 3}}, "unknown entries"),
        ({"ngrams": {"orders": [0]}}, "orders="),
        ({"ngrams": {"num_buckets": 0}}, "num_buckets="),
        ({"ngrams": {"unit": "bytes"}}, "unit="),
    ],
)
def test_what_does_not_fit_is_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        TextTokenizer(**{"vocabulary": WORDS, **arguments})


def test_a_vocabulary_needs_words():
    with pytest.raises(ValueError, match="leaves no id for a word"):
        TextTokenizer.build(["a"], 2)
    with pytest.raises(ValueError, match="no token that stands 2 times"):
        TextTokenizer.build(["a b"], 9, min_count=2)
    with pytest.raises(ValueError, match="pieces of WordPiece are learned"):
        TextTokenizer.build(["a b"], 9, split="wordpiece")


def test_bytes_are_no_text():
    with pytest.raises(ValueError, match="received bytes"):
        TextTokenizer(WORDS).encode(b"a")


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "stopwordsiso", None)
    with pytest.raises(ImportError, match="pip install"):
        load_stop_words("en")


def test_a_pair_is_one_row_and_the_longer_text_is_cut():
    words = [PADDING, UNKNOWN, "a", "b", "<end>"]
    tokenizer = TextTokenizer(words, max_tokens=7, end="<end>")
    assert tokenizer.tokens(("a", "b b")) == ["a", "<end>", "b", "b", "<end>"]
    assert tokenizer.features(("a b", ""))["token_ids"].tolist() == [2, 3, 4, 4]
    for pair, counts in (
        (("a " * 9, "b"), (4, 1)),
        (("a", "b " * 9), (1, 4)),
        (("a " * 9, "b " * 9), (3, 2)),
    ):
        first, second = counts
        expected = ["a"] * first + ["<end>"] + ["b"] * second + ["<end>"]
        assert tokenizer.tokens(pair) == expected
    letters = TextTokenizer(
        words, end="<end>", ngrams={"orders": [1], "unit": "characters"}
    )
    assert len(letters.features(("ab", "c"))["ngram_ids"]) == len("ab c")
    with pytest.raises(ValueError, match=r"2 texts as one.*end=None"):
        TextTokenizer(words).tokens(("a", "b"))
    with pytest.raises(ValueError, match="Received 3 texts as one"):
        tokenizer.encode(("a", "b", "c"))
