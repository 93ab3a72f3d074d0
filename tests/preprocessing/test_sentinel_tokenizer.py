import builtins
import json

import numpy as np
import pytest

from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.sentinel_tokenizer import SentinelTokenizer
from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from tests.text_to_text_examples import sentinel_tokenizer, word_texts

TOKENIZER = sentinel_tokenizer()


def test_marks_come_first_and_sentinels_last():
    assert TOKENIZER.vocabulary[:3] == ["<pad>", "</s>", "<unk>"]
    assert (TOKENIZER.end_id, TOKENIZER.unknown_id) == (1, 2)
    assert TOKENIZER.vocabulary_size == 38
    assert TOKENIZER.vocabulary[-1] == "<extra_id_0>"
    assert TOKENIZER.sentinel_ids == list(range(37, 27, -1))


def test_text_comes_back_with_its_sentinels_or_without():
    text = "one two <extra_id_0> three<extra_id_9> <extra_id_10>"
    ids = TOKENIZER.encode(text)
    assert ids[:2] == TOKENIZER.encode("one two")[:2]
    assert ids.count(37) == ids.count(28) == 1
    assert TOKENIZER.encode("one <extra_id_0>")[-1] == 37
    assert TOKENIZER.decode(ids).startswith("one two three ")
    whole = TOKENIZER.decode([0, *ids, 1], keep_sentinels=True)
    assert whole.startswith("one two <extra_id_0> three <extra_id_9> ")
    assert "<extra_id_10>" not in whole  # there are ten: it is a text
    assert TOKENIZER.decode([]) == TOKENIZER.decode([], True) == ""


def test_blanks_and_marks_are_text():
    assert TOKENIZER.encode(" one\n\ttwo ") == TOKENIZER.encode("one two")
    assert TOKENIZER.encode("") == TOKENIZER.encode(" \n") == []
    assert 1 not in TOKENIZER.encode("</s>")
    assert 2 in TOKENIZER.encode("\u732b")
    with pytest.raises(ValueError, match="Expected a text"):
        TOKENIZER.encode(None)


def test_the_config_is_json_and_needs_no_package(monkeypatch):
    config = json.loads(json.dumps(TOKENIZER.get_config()))
    texts = [*word_texts(20), "one <extra_id_3> \u732b two"]
    expected = [TOKENIZER.encode(text) for text in texts]
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "sentencepiece":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    again = tokenizer_from_config(config)
    assert [again.encode(text) for text in texts] == expected
    assert again.get_config() == config


def test_other_models_are_refused():
    other = SentencePieceTokenizer.train(word_texts(200), 20)
    with pytest.raises(ValueError, match="begins with .*expected '<pad>'"):
        SentinelTokenizer(other.model_bytes)
    with pytest.raises(ValueError, match="sentinels=-1"):
        SentinelTokenizer(TOKENIZER.model_bytes, -1)
    with pytest.raises(ValueError, match="of vocabulary_size=9000"):
        SentinelTokenizer.train(word_texts(200), 9000)


@pytest.mark.proof
def test_tokens_are_those_of_transformers(tmp_path):
    """Random texts; also by a model that normalises as T5's does."""
    import io

    import sentencepiece
    from transformers import T5Tokenizer

    proto = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(word_texts(400)),
        model_writer=proto,
        vocab_size=28,
        model_type="unigram",
        normalization_rule_name="nmt_nfkc",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
    )
    random = np.random.default_rng(0)
    signs = list(" \t\nonetwhrxyz.,<>!\u00e9\u732b\uff54\ufb01\u3000\u00bd'-")
    signs += ["<extra_id_0>", " <extra_id_9> ", "one", " two", "five "]
    for model in (TOKENIZER.model_bytes, proto.getvalue()):
        ours = SentinelTokenizer(model, 10)
        (tmp_path / "spiece.model").write_bytes(model)
        theirs = T5Tokenizer.from_pretrained(tmp_path, extra_ids=10)
        for _ in range(1000):
            text = "".join(random.choice(signs, random.integers(1, 30)))
            assert theirs(text)["input_ids"] == [*ours.encode(text), 1], text
