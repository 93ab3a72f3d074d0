"""Whisper's tokenizer files, of `transformers` and of CTranslate2. No Keras."""

import json
from pathlib import Path

from keras_selfattn.convert.hf_tokenizer import read_json
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.whisper_text import END, filled_up, is_mark


def read_whisper_tokenizer(folder, size, max_tokens):
    """The tokenizer of a folder.

    From `vocab.json`, `added_tokens.json` and `merges.txt`, or
    `tokenizer.json`, whichever is there; marks of time that no file names are
    filled in.

    Args:
        folder: path.
        size: int, tokens that the model has.
        max_tokens: int, tokens that it reads.

    Returns:
        SubwordTokenizer without marks of its own: what stands before and
        behind a text is the task's business.

    Raises:
        ValueError: no such files, or they do not fit together, or the model.
    """
    folder = Path(folder)
    whole, vocabulary, added = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in ("tokenizer.json", "vocab.json", "added_tokens.json")
    )
    model = whole.get("model", {})
    ids = {**(vocabulary or model.get("vocab", {})), **added}
    for token in whole.get("added_tokens", ()):
        ids.setdefault(token["content"], token["id"])
    if (folder / "merges.txt").is_file():
        lines = (folder / "merges.txt").read_text("utf-8").split("\n")
        merges = [x for x in lines if x and not x.startswith("#version")]
    else:
        merges = [
            m if isinstance(m, str) else " ".join(m)
            for m in model.get("merges", ())
        ]
    if not ids or not merges:
        raise ValueError(
            f"{folder} holds neither vocab.json and merges.txt nor a "
            "tokenizer.json with both: put the tokenizer's files there, too."
        )
    tokens = sorted(ids, key=ids.get)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(
            f"The vocabulary in {folder} does not number its {len(tokens)} "
            "tokens from 0 on, each once."
        )
    if len(tokens) > size:
        raise ValueError(
            f"The tokenizer in {folder} has {len(tokens)} tokens, the model "
            f"{size}; take both from one model."
        )
    if END not in ids:
        raise ValueError(f"The vocabulary in {folder} has no {END}.")
    return SubwordTokenizer(
        filled_up(tokens, size),
        {"kind": "byte_pair", "merges": merges},
        padding=END,
        unknown=None,
        start=None,
        end=None,
        mask=None,
        max_tokens=max_tokens,
    )


def whisper_tokenizer_files(tokenizer):
    """A tokenizer as `transformers` reads it: dict of a name to its text."""
    text, marks = {}, {}
    for i, token in enumerate(tokenizer.vocabulary):
        (marks if is_mark(token) else text)[token] = i
    # Theirs must know the end among the pieces: it stands for the unknown.
    text[END] = marks.pop(END)
    options = {
        "tokenizer_class": "WhisperTokenizer",
        "model_max_length": tokenizer.max_tokens,
        "add_prefix_space": False,
        **dict.fromkeys(
            ("bos_token", "eos_token", "unk_token", "pad_token"), END
        ),
        "additional_special_tokens": list(marks),
    }
    merges = tokenizer.split["merges"]
    return {
        "vocab.json": json.dumps(text, ensure_ascii=False),
        "added_tokens.json": json.dumps(marks, ensure_ascii=False),
        "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
        "tokenizer_config.json": json.dumps(options, indent=2) + "\n",
    }
