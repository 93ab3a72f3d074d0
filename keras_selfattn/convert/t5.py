"""T5's weights and pieces as a TextToText, and back.

The table, and what its config.json says of ours; see `tensor_table`.
"""

import base64
import json

import numpy as np

from keras_selfattn.convert.generation_rules import beam_rules
from keras_selfattn.convert.hf_tokenizer import read_json
from keras_selfattn.convert.safetensors_files import read_tensors
from keras_selfattn.convert.tensor_table import (
    Row,
    fill,
    give,
    rows_of,
    weights_of,
)
from keras_selfattn.preprocessing.sentencepiece_model import (
    CONTROL,
    NORMAL,
    UNKNOWN,
    write_pieces,
)
from keras_selfattn.preprocessing.sentinel_tokenizer import SentinelTokenizer

MODEL = "spiece.model"
SIZES = (
    ("vocabulary_size", "vocab_size", 32128),
    ("hidden_dim", "d_model", 512),
    ("head_dim", "d_kv", 64),
    ("intermediate_dim", "d_ff", 2048),
    ("num_heads", "num_heads", 8),
    ("inner_dropout", "dropout_rate", 0.1),
    ("dropout", "dropout_rate", 0.1),  # the last of two is what is written
    ("norm_epsilon", "layer_norm_epsilon", 1e-6),
)
# Theirs, and what it is here.
ACTIVATIONS = {
    "relu": "relu",
    "gelu": "gelu",
    "gelu_new": "gelu_new",
    "silu": "silu",
    "gated-gelu": "geglu_new",
    "gated-gelu_new": "geglu_new",
    "gated-relu": "reglu",
    "gated-silu": "swiglu",
}
GATES = ("geglu_new", "reglu", "swiglu")
# Steps of a tokenizer.json that a SentencePiece model does as well.
NORMALIZERS = ("Precompiled", "Replace", "Strip")
ARCHITECTURES = ("T5ForConditionalGeneration", "T5WithLMHeadModel")
# Biases that the first release had and never used.
IGNORED = (
    "decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight",
)
COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
_PARTS = (("q", "query"), ("k", "key"), ("v", "value"), ("o", "output"))


def table(num_layers, gated):
    """The rows of a T5.

    Args:
        num_layers: pair of int, blocks of encoder and decoder.
        gated: bool, the feed-forward networks have a gate.

    Returns:
        list of Row.
    """
    rows = [
        Row("shared.weight", "token_embedding/embeddings"),
        Row("lm_head.weight", "token_embedding/reverse_embeddings", True),
    ]
    inner = [("wo", "contract")]
    inner += (
        [("wi_0", "gate"), ("wi_1", "expand")] if gated else [("wi", "expand")]
    )
    sides = {
        "encoder": [("SelfAttention", "attention")],
        "decoder": [
            ("SelfAttention", "attention"),
            ("EncDecAttention", "cross_attention"),
        ],
    }
    for (side, attentions), depth in zip(sides.items(), num_layers):
        theirs, ours = f"{side}.block.{{i}}.layer", f"{side}_block_{{i}}"
        block = []
        for place, (their_part, our_part) in enumerate(attentions):
            block += [
                Row(
                    f"{theirs}.{place}.{their_part}.{short}.weight",
                    f"{ours}/{our_part}/{name}/kernel",
                    True,
                )
                for short, name in _PARTS
            ]
        last = len(attentions)
        block += [
            Row(
                f"{theirs}.{last}.DenseReluDense.{short}.weight",
                f"{ours}/feed_forward/{name}/kernel",
                True,
            )
            for short, name in inner
        ]
        parts = [part for _, part in attentions] + ["feed_forward"]
        block += [
            Row(f"{theirs}.{i}.layer_norm.weight", f"{ours}/{part}_norm/gamma")
            for i, part in enumerate(parts)
        ]
        rows += rows_of(block, depth)
        rows += [
            Row(
                f"{side}.block.0.layer.0.SelfAttention."
                "relative_attention_bias.weight",
                f"{side}_positions/relative_bias",
            ),
            Row(f"{side}.final_layer_norm.weight", f"{side}_norm/gamma"),
        ]
    return rows


def load_t5(folder, config):
    """A TextToText with the weights of a T5 checkpoint (1.0, 1.1, Flan).

    Args:
        folder: `pathlib.Path` with the model and `spiece.model` or
            `tokenizer.json`.
        config: dict, its config.json.

    Returns:
        TextToText.

    Raises:
        ValueError: see `huggingface.load_hf`.
    """
    from keras_selfattn.models.t5 import T5
    from keras_selfattn.tasks.text_to_text import TextToText

    activation = _check(folder, config)
    tensors = read_tensors(folder)
    tied = _tied(config, tensors)
    # Older files say it by the one word, newer ones by the other.
    scaled = config.get("scale_decoder_outputs")
    if scaled is None:
        scaled = config.get("tie_word_embeddings") is not False
    depth = config.get("num_layers", 6)
    depths = [depth, config.get("num_decoder_layers") or depth]
    model = T5(
        **{ours: config.get(key, default) for ours, key, default in SIZES},
        num_layers=depths,
        activation=activation,
        tie_embeddings=tied,
        scale_outputs=scaled,
        position_buckets=(
            config.get("relative_attention_num_buckets", 32),
            config.get("relative_attention_max_distance", 128),
        ),
        name="transformer",
    )
    tokenizer = read_sentinel_tokenizer(folder)
    if tokenizer.vocabulary_size > model.vocabulary_size:
        raise ValueError(
            f"The tokenizer in {folder} has {tokenizer.vocabulary_size} "
            f"tokens, config.json says vocab_size={model.vocabulary_size}; "
            "take both from one model."
        )
    if tokenizer.end_id != config.get("eos_token_id", 1):
        raise ValueError(
            f"The tokenizer in {folder} has </s> as {tokenizer.end_id}, "
            f"config.json says eos_token_id={config['eos_token_id']}; take "
            "both from one model."
        )
    rows = table(depths, activation in GATES)
    fill(model, rows, tensors, IGNORED, folder)
    return TextToText(tokenizer, model, rules=beam_rules(folder, config))


def t5_files(task):
    """A TextToText as files that `transformers` loads.

    Args:
        task: TextToText with a T5.

    Returns:
        config, dict; tensors, dict of arrays; the tokenizer's files.

    Raises:
        ValueError: another model, or one that they have not.
    """
    from keras_selfattn.models.t5 import T5

    model, tokenizer = task.transformer, task.tokenizer
    names = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    if not isinstance(model, T5) or model.activation not in names:
        raise ValueError(
            "save_hf writes a TextToText with a T5 whose activation is one of "
            f"{', '.join(sorted(names))}; received a {type(model).__name__} "
            f"with {getattr(model, 'activation', None)!r}."
        )
    depths = model.num_layers
    depths = [depths] * 2 if isinstance(depths, int) else list(depths)
    config = {
        "architectures": [ARCHITECTURES[0]],
        "model_type": "t5",
        "is_encoder_decoder": True,
        **{theirs: getattr(model, ours) for ours, theirs, _ in SIZES},
        "num_layers": depths[0],
        "num_decoder_layers": depths[1],
        "feed_forward_proj": names[model.activation],
        "relative_attention_num_buckets": model.position_buckets[0],
        "relative_attention_max_distance": model.position_buckets[1],
        "tie_word_embeddings": model.tie_embeddings,
        "scale_decoder_outputs": model.scale_outputs,
        "decoder_start_token_id": 0,
        "pad_token_id": 0,
        "eos_token_id": tokenizer.end_id,
        "dtype": "float32",
    }
    rows = table(depths, model.activation in GATES)
    tensors = give(rows, weights_of(model))
    options = {
        "tokenizer_class": "T5Tokenizer",
        "pad_token": "<pad>",
        "eos_token": "</s>",
        "unk_token": tokenizer.vocabulary[tokenizer.unknown_id],
        "extra_ids": tokenizer.sentinels,
        "model_max_length": task.max_source_tokens,
    }
    files = {
        MODEL: tokenizer.model_bytes,
        "tokenizer_config.json": json.dumps(options, indent=2) + "\n",
    }
    if task.rules == "transformers_forced":
        marks = ("decoder_start_token_id", "pad_token_id", "eos_token_id")
        generation = {name: config[name] for name in marks}
        generation["forced_eos_token_id"] = tokenizer.end_id
        text = json.dumps(generation, indent=2) + "\n"
        files["generation_config.json"] = text
    return config, tensors, files


def read_sentinel_tokenizer(folder):
    """The tokenizer of `spiece.model`, or of a `tokenizer.json` of its kind.

    Args:
        folder: `pathlib.Path`.

    Returns:
        SentinelTokenizer.

    Raises:
        ValueError: no such file, or one of another kind.
    """
    options, whole = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in ("tokenizer_config.json", "tokenizer.json")
    )
    added = [token["content"] for token in whole.get("added_tokens", ())]
    counted = sum(name.startswith("<extra_id_") for name in added) or 100
    sentinels = options.get("extra_ids", counted)
    if (folder / MODEL).is_file():
        return SentinelTokenizer((folder / MODEL).read_bytes(), sentinels)
    model = whole.get("model", {})
    if not isinstance(model.get("vocab"), list):
        raise ValueError(
            f"{folder} holds neither {MODEL} nor a tokenizer.json with a "
            f"unigram vocabulary (type {model.get('type')!r}): put the "
            "tokenizer's files there, too."
        )
    pieces = []
    for place, (piece, score) in enumerate(model["vocab"]):
        if piece.startswith("<extra_id_"):
            break
        kind = CONTROL if piece in added else NORMAL
        kind = UNKNOWN if place == model.get("unk_id") else kind
        pieces.append((piece, score, kind))
    charsmap = _charsmap(folder, whole.get("normalizer") or {})
    return SentinelTokenizer(write_pieces(pieces, charsmap), sentinels)


def _charsmap(folder, normalizer):
    """What characters are read as: the table of a `Precompiled` step."""
    steps = normalizer.get("normalizers", [normalizer])
    found = b""
    for step in steps:
        kind = step.get("type", "Replace")
        if kind not in NORMALIZERS:
            raise ValueError(
                f"{folder / 'tokenizer.json'} normalises by {kind}; we have "
                f"{', '.join(NORMALIZERS)}."
            )
        if kind == "Precompiled":
            found = base64.b64decode(step["precompiled_charsmap"] or "")
    return found


def _check(folder, config):
    """The activation; what we cannot do is refused."""
    path = folder / "config.json"
    for name in config.get("architectures") or ():
        if name not in ARCHITECTURES:
            raise ValueError(
                f"{path} names the architecture {name}; of 't5' we read "
                f"{', '.join(ARCHITECTURES)}."
            )
    theirs = config.get("feed_forward_proj", "relu")
    if theirs not in ACTIVATIONS:
        raise ValueError(
            f"{path} has feed_forward_proj={theirs!r}; we have "
            f"{', '.join(sorted(ACTIVATIONS))}."
        )
    for key, wanted in (("pad_token_id", 0), ("decoder_start_token_id", 0)):
        if config.get(key, wanted) != wanted:
            raise ValueError(
                f"{path} has {key}={config[key]!r}; we have {wanted} only."
            )
    return ACTIVATIONS[theirs]


def _tied(config, tensors):
    """Whether embeddings score the tokens; copies of them are left out."""
    shared = tensors.get("shared.weight")

    def is_shared(name):
        array = tensors.get(name)
        return array is not None and np.array_equal(array, shared)

    for name in COPIES:
        if is_shared(name):
            del tensors[name]
    if "lm_head.weight" not in tensors:
        return True
    tied = config.get("tie_word_embeddings") is not False
    if tied and is_shared("lm_head.weight"):
        del tensors["lm_head.weight"]
        return True
    return False
