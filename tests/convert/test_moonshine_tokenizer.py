import json

import pytest

from keras_selfattn.convert.moonshine_tokenizer import (
    moonshine_tokenizer_files,
    read_moonshine_tokenizer,
)
from tests.moonshine_examples import VOCABULARY, tokenizer


def written(folder, change=None):
    files = moonshine_tokenizer_files(tokenizer())
    whole = json.loads(files["tokenizer.json"])
    if change is not None:
        change(whole)
    (folder / "tokenizer.json").write_text(json.dumps(whole), "utf-8")
    return folder


def metaspace(whole):
    whole["normalizer"] = None
    whole["pre_tokenizer"] = {
        "type": "Metaspace",
        "replacement": "\u2581",
        "prepend_scheme": "first",
        "split": False,
    }


def apart(whole):
    """Marks beside the vocabulary, merges as lines."""
    for token in whole["added_tokens"]:
        del whole["model"]["vocab"][token["content"]]
    merges = whole["model"]["merges"]
    whole["model"]["merges"] = [" ".join(pair) for pair in merges]


@pytest.mark.parametrize("change", [None, metaspace, apart])
def test_what_was_written_is_read(tmp_path, change):
    found = read_moonshine_tokenizer(written(tmp_path, change), 20)
    assert found.get_config() == tokenizer().get_config()


def test_the_package_reads_it_alike(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    path = written(tmp_path) / "tokenizer.json"
    theirs = tokenizers.Tokenizer.from_file(str(path))
    ours = tokenizer()
    for text in ("ab cde.gf", "  a abab", "c", "", "<s>ab", "<<ST_2>>"):
        given = theirs.encode(text, add_special_tokens=False)
        if "<" not in text:
            assert given.ids == ours.encode(text)
            assert theirs.decode(given.ids) == ours.decode(given.ids) == text
        elif text == "<s>ab":
            assert given.tokens[0] == "<s>"
    assert theirs.encode("c").tokens == ["<s>", "\u2581c"]
    assert theirs.get_vocab_size() == len(VOCABULARY)


def other_model(whole):
    whole["model"]["type"] = "Unigram"


def no_bytes(whole):
    whole["model"]["byte_fallback"] = False


def lower(whole):
    whole["normalizer"] = {"type": "Lowercase"}


def by_words(whole):
    whole["pre_tokenizer"] = {"type": "Whitespace"}


@pytest.mark.parametrize("change", [other_model, no_bytes, lower, by_words])
def test_other_kinds_are_refused(tmp_path, change):
    with pytest.raises(ValueError, match="is no tokenizer of characters' pai"):
        read_moonshine_tokenizer(written(tmp_path, change), 20)


def test_files_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no tokenizer.json"):
        read_moonshine_tokenizer(tmp_path, 20)

    def gap(whole):
        whole["model"]["vocab"]["ab"] = 99

    with pytest.raises(ValueError, match="does not number"):
        read_moonshine_tokenizer(written(tmp_path, gap), 20)

    def nameless(whole):
        whole["added_tokens"] = []
        whole["model"]["vocab"]["<t>"] = whole["model"]["vocab"].pop("<s>")

    with pytest.raises(ValueError, match="has no <s>"):
        read_moonshine_tokenizer(written(tmp_path, nameless), 20)
