import json

import pytest

from keras_selfattn.convert.whisper_tokenizer import (
    read_whisper_tokenizer,
    whisper_tokenizer_files,
)
from tests.whisper_examples import MARKS, MERGES, PIECES, SIZE, tokenizer


def whole(folder, vocabulary=None):
    ids = vocabulary or {t: i for i, t in enumerate(PIECES)}
    content = {
        "model": {"vocab": ids, "merges": [m.split() for m in MERGES]},
        "added_tokens": [
            {"content": mark, "id": len(PIECES) + i}
            for i, mark in enumerate(MARKS)
        ],
    }
    (folder / "tokenizer.json").write_text(json.dumps(content))


def test_both_forms_of_files_are_read(tmp_path):
    expected = tokenizer()
    whole(tmp_path)
    found = read_whisper_tokenizer(tmp_path, SIZE, 20)
    assert found.get_config() == expected.get_config()
    assert found.encode(" ab de!") == [8, 9, 8, 12, 0]
    (tmp_path / "tokenizer.json").unlink()
    for name, text in whisper_tokenizer_files(expected).items():
        (tmp_path / name).write_text(text, "utf-8")
    found = read_whisper_tokenizer(tmp_path, SIZE, 20)
    assert found.get_config() == expected.get_config()


def test_files_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="neither vocab.json and merges.txt"):
        read_whisper_tokenizer(tmp_path, SIZE, 20)
    whole(tmp_path)
    with pytest.raises(ValueError, match="has 20 tokens, the model 19"):
        read_whisper_tokenizer(tmp_path, 19, 20)
    whole(tmp_path, {"a": 0, "b": 2})
    with pytest.raises(ValueError, match="does not number"):
        read_whisper_tokenizer(tmp_path, SIZE, 20)
