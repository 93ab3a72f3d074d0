import base64
import io
import sys

import numpy as np
import pytest

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.splitters import make_splitter
from keras_selfattn.preprocessing.unigram import UnigramSplitter, is_supported

sentencepiece = pytest.importorskip("sentencepiece")

WORDS = (
    "the quick brown fox jumps over a lazy dog while newer lower lowest "
    "readers are reading 我们 在 北京 学习 机器学习 了 it's fine , really ."
).split()


def sentences(number, seed):
    random = np.random.default_rng(seed)
    return [
        " ".join(random.choice(WORDS, random.integers(1, 12)))
        for _ in range(number)
    ]


@pytest.fixture(scope="module")
def model():
    return SentencePieceTokenizer.train(sentences(400, 0), 60).model_bytes


def train(texts, **options):
    """A model of another kind, as bytes."""
    made = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_writer=made,
        vocab_size=90,
        minloglevel=2,
        hard_vocab_limit=False,
        **options,
    )
    return made.getvalue()


def test_it_splits_as_the_package_does(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    split = UnigramSplitter(model)
    random = np.random.default_rng(1)
    letters = list("abcdefghijklmnopqrstuvwxyz 我们xQ7é'")
    texts = sentences(300, 2) + [
        " ".join("".join(random.choice(letters, 30)).split())
        for _ in range(300)
    ]
    different = [
        text
        for text in texts
        if split(text) != processor.encode(text, out_type=str)
    ]
    assert not different
    assert split("") == []
    assert "QQ" in split("the QQ")  # unknown ones in a row are one


@pytest.mark.parametrize("rule", ["nmt_nfkc", "nfkc_cf"])
def test_it_reads_characters_as_the_model_says(rule):
    model = train(sentences(400, 0), normalization_rule_name=rule)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    split = UnigramSplitter(model)
    assert split.maps
    random = np.random.default_rng(1)
    signs = list("the \t\n\x07\x85\u3000\u2028ｏｎＥ，ﬁ½é\u0301我Ⅷ\ufffd🎉ab")
    for _ in range(300):
        text = "".join(random.choice(signs, random.integers(0, 30)))
        assert split(text) == processor.encode(text, out_type=str), repr(text)


def test_a_device_needs_no_package(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    encoded = base64.b64encode(model).decode()
    split = make_splitter("sentencepiece", model=encoded)
    assert "".join(split("the dog")).replace("\u2581", " ") == " the dog"


def test_models_of_another_kind_are_left_to_the_package(monkeypatch):
    texts = sentences(400, 0)
    bpe = train(texts, model_type="bpe")
    blanks = train(texts, remove_extra_whitespaces=False)
    defined = train(
        texts,
        normalization_rule_name="identity",
        user_defined_symbols=["fox jumps"],
    )
    for other in (bpe, blanks, defined):
        assert not is_supported(other)
        with pytest.raises(ValueError, match="no plain unigram model"):
            UnigramSplitter(other)
    encoded = base64.b64encode(bpe).decode()
    assert make_splitter("sentencepiece", model=encoded)("the dog")
    monkeypatch.setitem(sys.modules, "sentencepiece", None)
    with pytest.raises(ImportError, match="pip install sentencepiece"):
        make_splitter("sentencepiece", model=encoded)
