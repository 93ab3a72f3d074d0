"""Ids in TensorFlow's graph are those of Python."""

import zlib

import keras
import numpy as np
import pytest

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.preprocessing.translation_text import (
    SPECIAL_TOKENS,
    source_ids,
)
from keras_selfattn.preprocessing.vocabulary import detokenize

pytest.importorskip("tensorflow_text", reason="its operators read texts")
pytestmark = pytest.mark.backend

VOCABULARY = ["<padding>", "<unknown>", "<s>", "</s>", "the", "cat", "a", "."]
TEXTS = [
    "", "the cat", "The <padding> the", "a dog. " * 40, "cat. a. the cat",
    "\u7535\u5f71 the a", "x",
]  # fmt: skip
OPTIONS = {
    "plain": {},
    "marks": {"start": "<s>", "end": "</s>", "max_tokens": 7},
    "ends": {"truncation": "ends", "max_tokens": 9},
    "stop words": {"stop_words": ["the", "a"], "max_tokens": 5},
    "pairs of tokens": {"ngrams": {"orders": [1, 2], "num_buckets": 50}},
    "characters": {
        "ngrams": {"orders": [2, 3], "num_buckets": 9, "unit": "characters"},
        "max_tokens": 4,
        "end": "</s>",
    },
}


@pytest.fixture(autouse=True)
def on_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("this is TensorFlow's graph, whatever trained the model")


@pytest.mark.parametrize("name", OPTIONS)
def test_ids_of_texts(name):
    import tensorflow as tf

    from keras_selfattn.export.ids_in_graph import TextIds

    tokenizer = TextTokenizer(VOCABULARY, **OPTIONS[name])
    read = TextIds(tokenizer)
    for texts in (TEXTS, ["the"], [""]):
        found = tf.function(read)(tf.constant(texts))
        wanted = tokenizer.batch(texts)
        assert set(found) == set(wanted)
        for key, ids in wanted.items():
            np.testing.assert_array_equal(found[key], ids, err_msg=key)


PIECES = "[PAD] [UNK] [CLS] [SEP] [MASK] the cat sat ##s , \u7535".split()


@pytest.mark.parametrize(
    "options",
    [{}, {"start": None}, {"end": None, "max_tokens": 5}, {"padding": "the"}],
)
def test_ids_of_pieces(options):
    import tensorflow as tf

    from keras_selfattn.export.ids_in_graph import SubwordIds

    tokenizer = SubwordTokenizer(PIECES, **options)
    texts = [
        "",
        "The cats,sat",
        "the\tcat\r\nsat\x07s \u7535\u5f71",
        "cat " * 600,
        "the\u3000cat\u2003sat\u2028the\xa0cat\x85s",
    ]
    for some in (texts, [""], ["the cat"]):
        found = tf.function(SubwordIds(tokenizer))(tf.constant(some))
        np.testing.assert_array_equal(
            found["token_ids"], tokenizer.batch(some)["token_ids"]
        )
    with pytest.raises(ValueError, match="GPT-2's pieces"):
        tokenizer.split = {"kind": "byte_pair"}
        SubwordIds(tokenizer)


def test_the_sums_are_those_of_zlib():
    import tensorflow as tf

    from keras_selfattn.export.ids_in_graph import crc32

    texts = ["", "a", "the\x1fcat", "\u7535\u5f71", "long " * 50]
    found = crc32(tf.constant(texts)).numpy()
    assert found.tolist() == [zlib.crc32(text.encode()) for text in texts]
    assert crc32(tf.constant([], tf.string)).shape == (0,)


SENTENCES = ["one two three", "three \u7535\u5f71 one", "two dogs run"] * 20


@pytest.mark.parametrize("replacements", [None, ("\u96fb", "\u7535")])
def test_ids_of_sources(replacements):
    pytest.importorskip("sentencepiece", reason="its pieces are trained")
    import tensorflow as tf

    from keras_selfattn.export.ids_in_graph import SourceIds

    tokenizer = SentencePieceTokenizer.train(
        SENTENCES, 20, SPECIAL_TOKENS, True, replacements=replacements
    )
    read = SourceIds(tokenizer, 2, 12)
    texts = [
        "", "one  two\tthree", "\u96fb\u5f71 \uff4fne", "t\x07wo\u200b zz",
        "two \r\n run ",
    ]  # fmt: skip
    ids, longer = tf.function(read)(tf.constant([*texts, "one two " * 30]))
    for row, text in zip(ids.numpy(), texts):
        wanted = source_ids(tokenizer, text)
        assert row[: len(wanted)].tolist() == wanted, repr(text)
        assert not row[len(wanted) :].any()
    assert ids.shape == (6, 12) and ids[5, -1] == 2
    assert longer.numpy().tolist() == [False] * 5 + [True]


def test_other_tokenizers_of_sources_are_refused():
    from keras_selfattn.export.ids_in_graph import SourceIds
    from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer

    with pytest.raises(ValueError, match="reads texts by SentencePiece"):
        SourceIds(CharacterTokenizer(), 2, 9)


def test_ids_become_the_text_that_python_makes():
    import tensorflow as tf

    from keras_selfattn.export.ids_in_graph import WrittenText

    vocabulary = [
        "<pad>",
        "<s>",
        "\u2581the",
        "\u2581c",
        "at",
        "\u2581",
        "<",
        "!",
    ]
    rows = [[2, 3, 4, 7, 0, 0], [1, 5, 5, 6, 2, 1], [0] * 6, [5, 5, 0, 0, 0, 5]]
    found = WrittenText(vocabulary)(tf.constant(rows)).numpy()
    assert [text.decode() for text in found] == [
        detokenize(row, vocabulary) for row in rows
    ]
