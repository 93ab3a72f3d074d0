"""Moonshine's tokenizer.json, as `tokenizers` has it. No Keras."""

import json

from keras_selfattn.convert.hf_tokenizer import ordered_tokens, read_json
from keras_selfattn.preprocessing.moonshine_text import (
    END,
    START,
    UNKNOWN,
    is_mark,
)
from keras_selfattn.preprocessing.sentencepiece_model import WORD_START
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer

FILE = "tokenizer.json"
_BLANKS = {
    "type": "Sequence",
    "normalizers": [
        {"type": "Prepend", "prepend": WORD_START},
        {
            "type": "Replace",
            "pattern": {"String": " "},
            "content": WORD_START,
        },
    ],
}
_DECODER = {
    "type": "Sequence",
    "decoders": [
        {
            "type": "Replace",
            "pattern": {"String": WORD_START},
            "content": " ",
        },
        {"type": "ByteFallback"},
        {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    ],
}
_MODEL = {"type": "BPE", "byte_fallback": True, "ignore_merges": False}
_ABSENT = (
    "dropout",
    "continuing_subword_prefix",
    "end_of_word_suffix",
)


def read_moonshine_tokenizer(folder, max_tokens):
    """The tokenizer of a folder's `tokenizer.json`.

    Args:
        folder: `pathlib.Path`.
        max_tokens: int, tokens that the model writes.

    Returns:
        SubwordTokenizer that adds no marks: what stands before and behind a
        text is the task's business.

    Raises:
        ValueError: no such file, or one of another kind.
    """
    path = folder / FILE
    if not path.is_file():
        raise ValueError(
            f"{folder} holds no {FILE}: put the tokenizer's file there, too."
        )
    whole = read_json(path)
    model = whole.get("model") or {}
    fits = all(model.get(key, value) == value for key, value in _MODEL.items())
    fits = fits and not any(model.get(key) for key in _ABSENT)
    if not fits or not model.get("byte_fallback") or not _marks_blanks(whole):
        raise ValueError(
            f"{path} is no tokenizer of characters' pairs that falls back on "
            f"bytes and writes a blank as {WORD_START!r}, as Moonshine's is "
            f"(model {model.get('type')!r})."
        )
    ids = dict(model["vocab"])
    for token in whole.get("added_tokens", ()):
        ids.setdefault(token["content"], token["id"])
    tokens = ordered_tokens(folder, ids)
    if missing := [m for m in (START, END, UNKNOWN) if m not in ids]:
        raise ValueError(f"{path} has no {', '.join(missing)}.")
    merges = [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    return SubwordTokenizer(
        tokens,
        {"kind": "byte_fallback", "merges": merges},
        padding=END,
        unknown=UNKNOWN,
        start=None,
        end=None,
        mask=None,
        max_tokens=max_tokens,
    )


def moonshine_tokenizer_files(tokenizer):
    """A tokenizer as `transformers` reads it: dict of a name to its text."""
    vocabulary = tokenizer.vocabulary
    ids = {token: i for i, token in enumerate(vocabulary)}
    merges = tokenizer.split["merges"]
    plain = {"single_word": False, "lstrip": False, "rstrip": False}
    start = {"SpecialToken": {"id": START, "type_id": 0}}
    whole = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {
                "id": i,
                "content": token,
                **plain,
                "normalized": False,
                "special": True,
            }
            for token, i in ids.items()
            if is_mark(token)
        ],
        "normalizer": _BLANKS,
        "pre_tokenizer": None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [start, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [
                start,
                {"Sequence": {"id": "A", "type_id": 0}},
                start,
                {"Sequence": {"id": "B", "type_id": 1}},
            ],
            "special_tokens": {
                START: {"id": START, "ids": [ids[START]], "tokens": [START]}
            },
        },
        "decoder": _DECODER,
        "model": {
            **_MODEL,
            **dict.fromkeys(_ABSENT),
            "unk_token": UNKNOWN,
            "fuse_unk": True,
            "vocab": ids,
            "merges": [
                m.split(" ") if isinstance(m, str) else list(m) for m in merges
            ],
        },
    }
    options = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": tokenizer.max_tokens,
        "bos_token": START,
        "eos_token": END,
        "unk_token": UNKNOWN,
        "pad_token": END,
        "clean_up_tokenization_spaces": False,
    }
    return {
        FILE: json.dumps(whole, ensure_ascii=False),
        "tokenizer_config.json": json.dumps(options, indent=2) + "\n",
    }


def _marks_blanks(whole):
    """Whether blanks are written as we do, by either of two ways."""
    normalizer = whole.get("normalizer")
    before = whole.get("pre_tokenizer")
    if before is None:
        return normalizer == _BLANKS
    return (
        normalizer is None
        and before.get("type") == "Metaspace"
        and before.get("replacement") == WORD_START
        and before.get("prepend_scheme") in ("always", "first")
        and before.get("split") is False
    )
