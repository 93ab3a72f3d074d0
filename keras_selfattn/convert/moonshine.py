"""Moonshine as `transformers` keeps it: a MoonshineRecognizer, and back."""

import json

from keras_selfattn.convert.config_checks import (
    check_architecture,
    demand,
    without_copy,
)
from keras_selfattn.convert.hf_tokenizer import check_vocabulary, read_json
from keras_selfattn.convert.moonshine_tokenizer import (
    moonshine_tokenizer_files,
    read_moonshine_tokenizer,
)
from keras_selfattn.convert.safetensors_files import read_tensors
from keras_selfattn.convert.tensor_table import (
    Row,
    dense,
    fill,
    give,
    rows_of,
    weights_of,
)
from keras_selfattn.preprocessing.moonshine_text import END, START

MODEL = "MoonshineForConditionalGeneration"
SIDES = ("encoder", "decoder")
# Ours, theirs, what they take where the key is not there.
SIZES = (
    ("vocabulary_size", "vocab_size", 32768),
    ("hidden_dim", "hidden_size", 288),
    ("intermediate_dim", "intermediate_size", 1152),
    ("max_sequence_length", "max_position_embeddings", 512),
)
DEMANDED = {
    "encoder_hidden_act": "gelu",
    "decoder_hidden_act": "silu",
    "attention_bias": False,
    "rope_scaling": None,
}
FRONT_END = {"do_normalize": False, "feature_size": 1, "sampling_rate": 16000}
HEAD, TEXT = "proj_out.weight", "model.decoder.embed_tokens.weight"


def _attention(theirs, ours):
    parts = {"q_proj": "query", "k_proj": "key", "v_proj": "value"}
    parts["o_proj"] = "output"
    return tuple(
        Row(f"{theirs}.{name}.weight", f"{ours}/{part}/kernel", transpose=True)
        for name, part in parts.items()
    )


def _norm(theirs, ours):
    return Row(f"{theirs}.weight", f"{ours}/gamma")


_ENCODER, _DECODER = (f"model.{side}.layers.{{i}}" for side in SIDES)
_HEARS, _WRITES = (f"{side}_block_{{i}}" for side in SIDES)
TABLES = {
    "encoder": (
        Row(
            "model.encoder.conv1.weight",
            "stem/convolution_0/kernel",
            transpose=True,
        ),
        *dense("model.encoder.conv2", "stem/convolution_1"),
        *dense("model.encoder.conv3", "stem/convolution_2"),
        Row("model.encoder.groupnorm.weight", "stem/gamma"),
        Row("model.encoder.groupnorm.bias", "stem/beta"),
        *_attention(f"{_ENCODER}.self_attn", f"{_HEARS}/attention"),
        _norm(f"{_ENCODER}.input_layernorm", f"{_HEARS}/attention_norm"),
        *dense(f"{_ENCODER}.mlp.fc1", f"{_HEARS}/feed_forward/expand"),
        *dense(f"{_ENCODER}.mlp.fc2", f"{_HEARS}/feed_forward/contract"),
        _norm(
            f"{_ENCODER}.post_attention_layernorm",
            f"{_HEARS}/feed_forward_norm",
        ),
        _norm("model.encoder.layer_norm", "encoder_norm"),
    ),
    "decoder": (
        Row(TEXT, "token_embedding/embeddings"),
        Row(
            HEAD,
            "token_embedding/reverse_embeddings",
            transpose=True,
        ),
        *_attention(f"{_DECODER}.self_attn", f"{_WRITES}/attention"),
        _norm(f"{_DECODER}.input_layernorm", f"{_WRITES}/attention_norm"),
        *_attention(f"{_DECODER}.encoder_attn", f"{_WRITES}/cross_attention"),
        _norm(
            f"{_DECODER}.post_attention_layernorm",
            f"{_WRITES}/cross_attention_norm",
        ),
        # One matrix: what is gated, then the gate.
        Row(
            f"{_DECODER}.mlp.fc1.weight",
            tuple(
                f"{_WRITES}/feed_forward/{part}/kernel"
                for part in ("expand", "gate")
            ),
            transpose=True,
        ),
        Row(
            f"{_DECODER}.mlp.fc1.bias",
            tuple(
                f"{_WRITES}/feed_forward/{part}/bias"
                for part in ("expand", "gate")
            ),
        ),
        *dense(f"{_DECODER}.mlp.fc2", f"{_WRITES}/feed_forward/contract"),
        _norm(f"{_DECODER}.final_layernorm", f"{_WRITES}/feed_forward_norm"),
        _norm("model.decoder.norm", "decoder_norm"),
    ),
}


def load_moonshine(folder, config):
    """A MoonshineRecognizer with the weights of a checkpoint's folder.

    Args:
        folder: `pathlib.Path`.
        config: dict, its config.json.

    Raises:
        ValueError: see `huggingface.load_hf`.
    """
    from keras_selfattn.models.moonshine import Moonshine
    from keras_selfattn.tasks.moonshine_recognizer import MoonshineRecognizer

    path = folder / "config.json"
    check_architecture(path, config, "moonshine", (MODEL,))
    demand(path, config, DEMANDED)
    front_end = folder / "preprocessor_config.json"
    if front_end.is_file():
        demand(front_end, read_json(front_end), FRONT_END)
    sizes = {o: config.get(t, default) for o, t, default in SIZES}
    heads, pairs = _heads(path, config)
    tied = config.get("tie_word_embeddings", True)
    tensors = without_copy(folder, read_tensors(folder), tied, HEAD, TEXT)
    moonshine = Moonshine(
        **sizes,
        **_rotary(path, config),
        num_layers=[config.get(f"{s}_num_hidden_layers", 6) for s in SIDES],
        num_heads=heads,
        num_key_value_heads=pairs,
        tie_embeddings=tied,
        name="moonshine",
    )
    tokenizer = read_moonshine_tokenizer(folder, moonshine.max_sequence_length)
    check_vocabulary(folder, tokenizer, moonshine.vocabulary_size)
    _check_marks(path, config, tokenizer)
    task = MoonshineRecognizer(tokenizer, moonshine)
    fill(task, moonshine_rows(moonshine), tensors, (), folder)
    return task


def moonshine_files(task):
    """A MoonshineRecognizer as a checkpoint; see `huggingface.save_hf`.

    Returns:
        config (dict), tensors (dict of arrays), other files (dict of text).
    """
    moonshine, tokenizer = task.moonshine, task.tokenizer
    tensors = give(moonshine_rows(moonshine), weights_of(task))
    rules = task.writing_rules()
    marks = {
        "bos_token_id": rules.prompt[0],
        "eos_token_id": rules.end_id,
        "pad_token_id": rules.end_id,
        "decoder_start_token_id": rules.prompt[0],
    }
    config = {
        "architectures": [MODEL],
        "model_type": "moonshine",
        "is_encoder_decoder": True,
        **{theirs: getattr(moonshine, ours) for ours, theirs, _ in SIZES},
        **{k: v for k, v in DEMANDED.items() if v is not None},
        **marks,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": moonshine.max_wavelength,
            "partial_rotary_factor": moonshine.rotary_fraction,
        },
        "tie_word_embeddings": moonshine.tie_embeddings,
        "dtype": "float32",
    }
    heads = moonshine.num_heads
    pairs = moonshine.num_key_value_heads or heads
    for side, depth in zip(SIDES, moonshine.depths, strict=True):
        config[f"{side}_num_hidden_layers"] = depth
        config[f"{side}_num_attention_heads"] = heads
        config[f"{side}_num_key_value_heads"] = pairs
    generation = {**marks, "max_length": moonshine.max_sequence_length}
    front_end = {
        "feature_extractor_type": "Wav2Vec2FeatureExtractor",
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": True,
        **FRONT_END,
    }
    files = {
        "generation_config.json": json.dumps(generation, indent=2) + "\n",
        "preprocessor_config.json": json.dumps(front_end, indent=2) + "\n",
        **moonshine_tokenizer_files(tokenizer),
    }
    return config, tensors, files


def moonshine_rows(moonshine):
    """The rows of both sides' tables."""
    return [
        row
        for side, depth in zip(SIDES, moonshine.depths, strict=True)
        for row in rows_of(TABLES[side], depth)
    ]


def _heads(path, config):
    """Heads, and key/value heads or None: one number for both sides.

    Theirs keeps two, but where they differ its decoder is made with the
    encoder's.
    """
    found = []
    for name, default in (("attention", 8), ("key_value", None)):
        pair = [config.get(f"{s}_num_{name}_heads", default) for s in SIDES]
        if pair[0] != pair[1]:
            raise ValueError(
                f"{path} has {pair[0]} encoder_num_{name}_heads and {pair[1]} "
                f"decoder_num_{name}_heads; we have one number for both."
            )
        found.append(pair[0])
    heads, pairs = found
    return heads, None if pairs == heads else pairs


def _rotary(path, config):
    """Arguments of ours for the rotary positions, of either form of theirs."""
    given = config.get("rope_parameters") or {}
    if given.get("rope_type", "default") != "default":
        raise ValueError(
            f"{path} has rope_type={given['rope_type']!r}; we have 'default' "
            "only."
        )

    def chosen(name, default):
        return given.get(name, config.get(name, default))

    return {
        "rotary_fraction": chosen("partial_rotary_factor", 0.9),
        "max_wavelength": float(chosen("rope_theta", 10000.0)),
    }


def _check_marks(path, config, tokenizer):
    """A ValueError where config.json begins or ends texts by other tokens."""
    for key, mark in (("decoder_start_token_id", START), ("eos_token_id", END)):
        place = tokenizer.vocabulary.index(mark)
        if config.get(key, place) != place:
            raise ValueError(
                f"{path} has {key}={config[key]!r}, the tokenizer {mark} as "
                f"{place}; take both from one model."
            )
