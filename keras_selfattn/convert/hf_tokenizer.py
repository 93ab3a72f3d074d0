"""Tokenizer files as `transformers` has them, read and written. No Keras."""

import json
from pathlib import Path

from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer

# Our name of a mark, theirs, and what it is where no file says.
_MARKS = {
    "bert": (
        ("padding", "pad_token", "[PAD]"),
        ("unknown", "unk_token", "[UNK]"),
        ("start", "cls_token", "[CLS]"),
        ("end", "sep_token", "[SEP]"),
        ("mask", "mask_token", "[MASK]"),
    ),
    "byte_pair": (
        ("padding", "pad_token", "<pad>"),
        ("unknown", "unk_token", "<unk>"),
        ("start", "cls_token", "<s>"),
        ("end", "sep_token", "</s>"),
        ("mask", "mask_token", "<mask>"),
    ),
}
# GPT-2 has one mark, the end of a text, which fills batches, too.
_END = "<|endoftext|>"
_MARKS["gpt2"] = (
    ("padding", "pad_token", _END),
    ("unknown", "unk_token", _END),
    ("end", "eos_token", _END),
)
_CLASSES = {
    "bert": "BertTokenizer",
    "byte_pair": "RobertaTokenizer",
    "gpt2": "GPT2Tokenizer",
}
_MODELS = {"bert": "WordPiece", "byte_pair": "BPE", "gpt2": "BPE"}


def read_json(path):
    """The object in a JSON file; a ValueError where there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}.") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object; fetch it again.")
    return found


def read_tokenizer(folder, kind, max_tokens):
    """The tokenizer of a checkpoint's folder.

    From `vocab.txt`, or `vocab.json` and `merges.txt`, or `tokenizer.json`,
    whichever is there; options from `tokenizer_config.json`, else
    `tokenizer.json`.

    Args:
        folder: path.
        kind: "bert", "byte_pair" (RoBERTa's marks) or "gpt2" (its mark).
        max_tokens: int, tokens there is room for.

    Returns:
        SubwordTokenizer.

    Raises:
        ValueError: no such files, or what they say is not what we can do.
    """
    folder = Path(folder)
    options, special, whole, sentences = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in (
            "tokenizer_config.json",
            "special_tokens_map.json",
            "tokenizer.json",
            "sentence_bert_config.json",
        )
    )
    model = whole.get("model", {})
    if model and model.get("type", _MODELS[kind]) != _MODELS[kind]:
        raise ValueError(
            f"{folder / 'tokenizer.json'} holds a tokenizer of type "
            f"{model['type']!r}; this architecture needs {_MODELS[kind]!r}."
        )
    limits = (options.get("model_max_length"), sentences.get("max_seq_length"))
    given = {
        "max_tokens": min(int(n) for n in (*limits, max_tokens) if n),
        "mask_takes_blank": kind == "byte_pair",
        "start": None,
        "mask": None,
    }
    for ours, theirs, default in _MARKS[kind]:
        token = options.get(theirs, special.get(theirs, default)) or default
        if isinstance(token, dict):
            if ours == "mask":
                given["mask_takes_blank"] = bool(token.get("lstrip"))
            token = token["content"]
        given[ours] = token
    for token in whole.get("added_tokens", ()):
        if token["content"] == given["mask"]:
            given["mask_takes_blank"] = bool(token.get("lstrip"))
    if kind == "bert":
        split = _bert_split(options, whole.get("normalizer") or {})
        ids = _ids(folder, model, "vocab.txt", _read_lines)
    else:
        ids = _ids(folder, model, "vocab.json", read_json)
        split = {
            "kind": "byte_pair",
            "merges": _read_merges(folder, model),
            "prefix_space": bool(
                options.get(
                    "add_prefix_space",
                    (whole.get("pre_tokenizer") or {}).get(
                        "add_prefix_space", False
                    ),
                )
            ),
        }
    for token in whole.get("added_tokens", ()):
        ids.setdefault(token["content"], token["id"])
    return SubwordTokenizer(ordered_tokens(folder, ids), split, **given)


def check_vocabulary(folder, tokenizer, size):
    """A ValueError where config.json says another size than the tokenizer."""
    if tokenizer.vocabulary_size != size:
        raise ValueError(
            f"The tokenizer in {folder} has {tokenizer.vocabulary_size} "
            f"tokens, config.json says vocab_size={size}; take both from one "
            "model. (Where the model has more than the tokenizer, fill the "
            "vocabulary up with names such as [unused1].)"
        )


def _bert_split(options, normalizer):
    def chosen(ours, theirs, default):
        return options.get(ours, normalizer.get(theirs, default))

    return {
        "kind": "bert",
        "lower": bool(chosen("do_lower_case", "lowercase", True)),
        "strip_accents": chosen("strip_accents", "strip_accents", None),
        "ideographs": bool(
            chosen("tokenize_chinese_chars", "handle_chinese_chars", True)
        ),
    }


def _ids(folder, model, name, read):
    """Ids by token, from a file of its own or from tokenizer.json."""
    if (folder / name).is_file():
        return read(folder / name)
    if isinstance(model.get("vocab"), dict):
        return model["vocab"]
    raise ValueError(
        f"{folder} holds neither {name} nor a tokenizer.json with a "
        "vocabulary: put the tokenizer's files there, too."
    )


def _read_lines(path):
    lines = path.read_text("utf-8").split("\n")
    if lines and not lines[-1]:
        lines.pop()
    return {token: i for i, token in enumerate(lines)}


def _read_merges(folder, model):
    path = folder / "merges.txt"
    if path.is_file():
        lines = path.read_text("utf-8").split("\n")
        return [x for x in lines if x and not x.startswith("#version")]
    if "merges" not in model:
        raise ValueError(
            f"{folder} holds neither merges.txt nor a tokenizer.json with "
            "merges: put the tokenizer's files there, too."
        )
    return [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]


def ordered_tokens(folder, ids):
    """The tokens of a dict of ids, in order; a ValueError for gaps."""
    tokens = sorted(ids, key=ids.get)
    if [ids[token] for token in tokens] != list(range(len(tokens))):
        raise ValueError(
            f"The vocabulary in {folder} does not number its {len(tokens)} "
            "tokens from 0 on, each once."
        )
    return tokens


def tokenizer_files(tokenizer, kind=None):
    """A SubwordTokenizer as files: dict of a name to its text.

    Args:
        tokenizer: SubwordTokenizer.
        kind: as `read_tokenizer` has it; default that of its splitter.
    """
    split = tokenizer.split
    kind = kind or split["kind"]
    options = {
        "tokenizer_class": _CLASSES[kind],
        "model_max_length": tokenizer.max_tokens,
    }
    for ours, theirs, _ in _MARKS[kind]:
        options[theirs] = getattr(tokenizer, ours)
    if kind == "bert":
        options["do_lower_case"] = split.get("lower", True)
        options["strip_accents"] = split.get("strip_accents")
        options["tokenize_chinese_chars"] = split.get("ideographs", True)
        files = {"vocab.txt": "".join(f"{t}\n" for t in tokenizer.vocabulary)}
    else:
        options["add_prefix_space"] = split.get("prefix_space", False)
        if tokenizer.mask is not None:
            options["mask_token"] = {
                "__type": "AddedToken",
                "content": tokenizer.mask,
                "lstrip": tokenizer.mask_takes_blank,
                "rstrip": False,
                "normalized": False,
                "single_word": False,
            }
        ids = {token: i for i, token in enumerate(tokenizer.vocabulary)}
        merges = [
            m if isinstance(m, str) else " ".join(m) for m in split["merges"]
        ]
        files = {
            "vocab.json": json.dumps(ids, ensure_ascii=False),
            "merges.txt": "\n".join(["#version: 0.2", *merges, ""]),
        }
    files["tokenizer_config.json"] = json.dumps(options, indent=2) + "\n"
    return files
