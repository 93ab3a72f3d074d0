import json

import pytest

from keras_selfattn.convert.hf_tokenizer import (
    read_tokenizer,
    tokenizer_files,
)
from tests.transformers_models import MARKS, VOCABULARY

BYTES = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "\u0120", "\u0120a"]


def write(folder, **files):
    for name, content in files.items():
        if not isinstance(content, str):
            content = json.dumps(content)
        name = name.replace("__", ".")
        (folder / name).write_text(content, "utf-8")


def whole(kind, vocabulary, **entries):
    """A tokenizer.json."""
    ids = {token: i for i, token in enumerate(vocabulary)}
    model = {"type": kind, "vocab": ids, "merges": [["\u0120", "a"]]}
    return {"model": model, **entries}


def test_options_come_from_any_of_the_files(tmp_path):
    write(
        tmp_path,
        vocab__txt="\n".join(VOCABULARY) + "\n",
        tokenizer_config__json={
            "do_lower_case": False,
            "model_max_length": 1e30,
            "mask_token": {"content": "[MASK]", "lstrip": True},
        },
        special_tokens_map__json={"unk_token": "un"},
        sentence_bert_config__json={"max_seq_length": 9},
    )
    found = read_tokenizer(tmp_path, "bert", 30)
    assert found.vocabulary == VOCABULARY
    assert (found.max_tokens, found.unknown) == (9, "un")
    assert found.split["lower"] is False and found.mask_takes_blank
    assert read_tokenizer(tmp_path, "bert", 8).max_tokens == 8


def test_one_tokenizer_json_is_enough(tmp_path):
    normalizer = {"lowercase": False, "strip_accents": True}
    write(
        tmp_path,
        tokenizer__json=whole("WordPiece", MARKS, normalizer=normalizer),
    )
    found = read_tokenizer(tmp_path, "bert", 30)
    assert found.vocabulary == MARKS
    assert found.split == {
        "kind": "bert",
        "lower": False,
        "strip_accents": True,
        "ideographs": True,
    }
    added = [{"content": token, "id": i} for i, token in enumerate(BYTES[:5])]
    added[-1]["lstrip"] = False
    content = whole("BPE", BYTES, added_tokens=added)
    write(tmp_path, tokenizer__json=content)
    found = read_tokenizer(tmp_path, "byte_pair", 30)
    assert found.tokens("a a <mask>") == ["a", "\u0120a", "\u0120", "<mask>"]


@pytest.mark.parametrize("kind", ["bert", "byte_pair"])
def test_what_is_written_is_read(kind, tmp_path):
    vocabulary, name = {
        "bert": (MARKS, "WordPiece"),
        "byte_pair": (BYTES, "BPE"),
    }[kind]
    write(tmp_path, tokenizer__json=whole(name, vocabulary))
    before = read_tokenizer(tmp_path, kind, 30)
    (tmp_path / "tokenizer.json").unlink()
    for name, text in tokenizer_files(before).items():
        (tmp_path / name).write_text(text, "utf-8")
    after = read_tokenizer(tmp_path, kind, 30)
    assert after.get_config() == before.get_config()


def test_wrong_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match="neither vocab.json nor a tokenizer"):
        read_tokenizer(tmp_path, "byte_pair", 30)
    write(tmp_path, tokenizer__json=whole("Unigram", MARKS))
    with pytest.raises(ValueError, match="'Unigram'; this .* 'WordPiece'"):
        read_tokenizer(tmp_path, "bert", 30)
    write(tmp_path, tokenizer__json="{", vocab__txt="a\n")
    with pytest.raises(ValueError, match="cannot be read as JSON"):
        read_tokenizer(tmp_path, "bert", 30)
    (tmp_path / "tokenizer.json").unlink()
    write(tmp_path, vocab__json={"a": 0, "b": 2})
    with pytest.raises(ValueError, match="neither merges.txt"):
        read_tokenizer(tmp_path, "byte_pair", 30)
    write(tmp_path, merges__txt="#version: 0.2\n")
    with pytest.raises(ValueError, match="does not number its 2 tokens"):
        read_tokenizer(tmp_path, "byte_pair", 30)
