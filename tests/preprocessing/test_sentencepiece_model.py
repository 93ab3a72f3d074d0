"""Pieces, scores and types as the package gives them."""

import io
import random

import pytest

from keras_selfattn.preprocessing.sentencepiece_model import (
    CONTROL,
    NORMAL,
    UNKNOWN,
    proto_fields,
    read_pieces,
    write_pieces,
)
from keras_selfattn.preprocessing.unigram import character_map, is_supported
from tests.text_to_text_examples import sentinel_tokenizer, word_texts

sentencepiece = pytest.importorskip("sentencepiece")


@pytest.fixture(scope="module")
def model():
    generator = random.Random(0)
    words = "one two three four five six seven eight nine ten".split()
    texts = [" ".join(generator.choices(words, k=5)) for _ in range(200)]
    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=proto,
        vocab_size=28,
        minloglevel=2,
    )
    return proto.getvalue()


def test_pieces_are_those_of_the_package(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    kinds = {0: UNKNOWN, 1: CONTROL, 2: CONTROL}
    assert read_pieces(model) == [
        (
            processor.id_to_piece(i),
            pytest.approx(processor.get_score(i)),
            kinds.get(i, NORMAL),
        )
        for i in range(28)
    ]


def test_fields_of_every_wire_type():
    # 1: 150 (varint), 2: "ab" (bytes), 3: four bytes, 4: eight bytes
    data = b"\x08\x96\x01\x12\x02ab\x1d1234\x2112345678"
    assert list(proto_fields(data)) == [
        (1, 150),
        (2, b"ab"),
        (3, b"1234"),
        (4, b"12345678"),
    ]


@pytest.mark.parametrize("cut", [b"", b"hello", b"\x0a\x7f"])
def test_what_is_no_model_is_refused(cut):
    said = f"not a SentencePiece model.*received {len(cut)} bytes"
    with pytest.raises(ValueError, match=said):
        read_pieces(cut)


def test_a_model_cut_short_is_refused(model):
    with pytest.raises(ValueError, match="not a SentencePiece model"):
        read_pieces(model[: len(model) // 2])


def test_what_is_written_is_read_and_splits_alike():
    tokenizer = sentinel_tokenizer()
    pieces = read_pieces(tokenizer.model_bytes)
    written = write_pieces(pieces)
    assert read_pieces(written) == pieces and is_supported(written)
    assert character_map(write_pieces(pieces, b"\1\2")) == b"\1\2"
    processor = sentencepiece.SentencePieceProcessor(model_proto=written)
    for text in [*word_texts(20), " x  \u732by "]:
        assert processor.encode(text) == tokenizer.encode(text)
