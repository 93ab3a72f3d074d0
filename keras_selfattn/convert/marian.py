"""Marian's translators (OPUS-MT) as a `Translator`, and back.

The tables are in `marian_table`; here, how ids are counted. A Translator has
padding, begin and end at 0, 1 and 2; Marian has the end first, padding last,
and begins a text with padding. So tokens are numbered anew where they come in:
`begin` is a second row of padding, whose score is so low that it takes part in
nothing.
"""

import json

import numpy as np

from keras_selfattn.convert.generation_rules import beam_rules
from keras_selfattn.convert.hf_tokenizer import ordered_tokens, read_json
from keras_selfattn.convert.marian_table import (
    ACTIVATIONS,
    BIAS,
    DEMANDED,
    EQUAL,
    HEAD,
    IGNORED,
    SHARED,
    SIZES,
    SOURCE,
    TARGET,
    marian_positions,
    table,
)
from keras_selfattn.convert.safetensors_files import read_tensors
from keras_selfattn.convert.tensor_table import fill, give, weights_of

NEVER = -1e3  # the bias of `begin`: its exp is 0 beside any other


def load_marian(folder, config):
    """A Translator with the weights of a Marian checkpoint.

    Args:
        folder: `pathlib.Path` with `model.safetensors`, or its shards,
            `source.spm`, `target.spm`, `vocab.json` and, where the languages
            have vocabularies of their own, `target_vocab.json`.
        config: dict, its config.json.

    Returns:
        Translator.

    Raises:
        ValueError: see `huggingface.load_hf`.
    """
    from keras_selfattn.models.transformer import Transformer
    from keras_selfattn.tasks.translator import Translator

    _check(folder, config)
    tokenizers, orders = _read_tokenizers(folder, config)
    tensors = read_tensors(folder)
    shared = _drop_copies(folder, config, tensors)
    for name, order in (
        (SHARED, orders[1]),
        (SOURCE, orders[0]),
        (TARGET, orders[1]),
        (HEAD, orders[1]),
    ):
        if name in tensors and len(tensors[name]) == len(order) - 1:
            tensors[name] = tensors[name][order]
    bias = np.zeros(len(orders[1]) - 1, "float32")
    bias = np.ravel(tensors.get(BIAS, bias))
    if len(bias) == len(orders[1]) - 1:
        bias = bias[orders[1]]
        bias[1] = NEVER
    tensors[BIAS] = bias
    sizes = {
        ours: config.get(theirs, default) for ours, theirs, default in SIZES
    }
    depths = [
        config.get(f"{side}_layers", 12) for side in ("encoder", "decoder")
    ]
    transformer = Transformer(
        len(orders[0]),
        **sizes,
        num_layers=depths,
        positions=marian_positions(sizes["hidden_dim"]),
        target_vocabulary_size=None if shared else len(orders[1]),
        block={
            "activation": ACTIVATIONS[
                config.get("activation_function", "gelu")
            ],
            "norm_first": False,
        },
        output_bias=True,
        name="transformer",
    )
    fill(transformer, table(depths, shared), tensors, IGNORED, folder)
    most = sizes["max_sequence_length"]
    return Translator(
        tokenizers[0],
        transformer,
        tokenizers[1],
        max_source_tokens=most,
        max_target_tokens=most,
        rules=beam_rules(folder, config),
    )


def marian_files(task):
    """A Translator as files that `transformers` loads.

    Ids are as Marian has them: the end, the pieces in their order, padding.

    Args:
        task: Translator of Marian's shape, with MarianTokenizers.

    Returns:
        config, dict; tensors, dict of arrays; the tokenizer's files, dict of a
        name to its text or bytes.

    Raises:
        ValueError: other tokenizers, or what Marian has not.
    """
    from keras_selfattn.preprocessing.marian_tokenizer import MarianTokenizer

    model, source, target = task.transformer, task.tokenizer, task.writer
    if not isinstance(source, MarianTokenizer) or not isinstance(
        target, MarianTokenizer
    ):
        raise ValueError(
            "A Translator is written as Marian, with MarianTokenizers; this "
            f"one has a {type(source).__name__}."
        )
    _check_shape(model)
    shared = model.target_vocabulary_size is None
    depths = model.num_layers
    depths = (depths, depths) if isinstance(depths, int) else depths
    tensors = give(table(depths, shared), weights_of(model))
    # One id for both: the last, where the vocabularies are of one size.
    padding = min(source.vocabulary_size, target.vocabulary_size) - 2
    for name, start in ((SHARED, 1), (SOURCE, 0), (TARGET, 1), (HEAD, 0)):
        if name in tensors:
            tensors[name] = _as_theirs(tensors[name], start, padding)
    tensors[BIAS] = _as_theirs(tensors[BIAS], 0, padding)[np.newaxis]
    if shared and not model.tie_embeddings:
        # "Not tied" is said of these, too.
        shared = False
        tensors[SOURCE] = tensors[TARGET] = tensors.pop(SHARED)
    names = {ours: theirs for theirs, ours in ACTIVATIONS.items()}
    config = {
        "architectures": ["MarianMTModel"],
        "model_type": "marian",
        **{theirs: getattr(model, ours) for ours, theirs, _ in SIZES},
        "encoder_layers": depths[0],
        "decoder_layers": depths[1],
        "decoder_attention_heads": model.num_heads,
        "decoder_ffn_dim": model.intermediate_dim,
        "activation_dropout": model.inner_dropout,
        "activation_function": names[model.block["activation"]],
        "share_encoder_decoder_embeddings": shared,
        "vocab_size": source.vocabulary_size - 1,
        "decoder_vocab_size": target.vocabulary_size - 1,
        "eos_token_id": 0,
        "pad_token_id": padding,
        "decoder_start_token_id": padding,
        "bos_token_id": None,
        "is_encoder_decoder": True,
        "dtype": "float32",
    }
    marks = {
        key: config[key]
        for key in ("eos_token_id", "pad_token_id", "decoder_start_token_id")
    }
    generation = {
        **marks,
        "bad_words_ids": [[padding]],
        "max_length": model.max_sequence_length,
        "num_beams": 4,
    }
    if task.rules == "transformers_forced":
        generation["forced_eos_token_id"] = 0
    separate = source.vocabulary != target.vocabulary
    options = {
        "tokenizer_class": "MarianTokenizer",
        "model_max_length": model.max_sequence_length,
        "separate_vocabs": separate,
        "unk_token": source.unknown,
    }
    files = {
        "generation_config.json": _json(generation),
        "tokenizer_config.json": _json(options),
        "source.spm": source.model_bytes,
        "target.spm": target.model_bytes,
        "vocab.json": _json(_their_ids(source.vocabulary, padding)),
    }
    if separate:
        files["target_vocab.json"] = _json(
            _their_ids(target.vocabulary, padding)
        )
    return config, tensors, files


def _json(found):
    return json.dumps(found, indent=2, ensure_ascii=False) + "\n"


def _their_ids(vocabulary, padding):
    tokens = vocabulary[2:]
    tokens.insert(padding, vocabulary[0])
    return {token: i for i, token in enumerate(tokens)}


def _as_theirs(array, start, padding):
    """Rows by their ids; the row of padding is our row `start`."""
    return np.insert(array[2:], padding, array[start], axis=0)


def _check(folder, config):
    path = folder / "config.json"
    for name in config.get("architectures") or ():
        if name != "MarianMTModel":
            raise ValueError(
                f"{path} names the architecture {name}; of 'marian' we read "
                "MarianMTModel."
            )
    for one, other in EQUAL:
        if config.get(one) != config.get(other):
            raise ValueError(
                f"{path} has {one}={config.get(one)} and {other}="
                f"{config.get(other)}; we have one for both."
            )
    for key, value in DEMANDED.items():
        if config.get(key, value) != value:
            raise ValueError(
                f"{path} has {key}={config[key]!r}; we have {value} only."
            )
    if config.get("activation_function", "gelu") not in ACTIVATIONS:
        raise ValueError(
            f"{path} has the activation {config['activation_function']!r}; we "
            f"have {', '.join(sorted(ACTIVATIONS))}."
        )
    if config.get("d_model", 1024) % 2:
        raise ValueError(
            f"{path} has d_model={config['d_model']}; sines and cosines need "
            "an even one."
        )


def _check_shape(model):
    """A ValueError where a Transformer is not as Marian's are."""
    given = {
        "positions": model.positions,
        "output_bias": model.output_bias,
        **{name: model.block[name] for name in ("norm", "norm_first")},
    }
    wanted = {
        "positions": marian_positions(model.hidden_dim),
        "output_bias": True,
        "norm": "layer",
        "norm_first": False,
    }
    for name, value in wanted.items():
        if given[name] != value:
            raise ValueError(
                f"Marian has {name}={value!r}; this model has {given[name]!r}."
            )
    if model.block["activation"] not in ACTIVATIONS.values():
        raise ValueError(
            f"Marian has no activation {model.block['activation']!r}."
        )


def _read_tokenizers(folder, config):
    """The tokenizers of both languages, and their ids in our order."""
    from keras_selfattn.preprocessing.marian_tokenizer import MarianTokenizer

    options = {}
    if (folder / "tokenizer_config.json").is_file():
        options = read_json(folder / "tokenizer_config.json")
    separate = options.get("separate_vocabs", False)
    unknown = options.get("unk_token", "<unk>")
    if isinstance(unknown, dict):
        unknown = unknown["content"]
    sizes = [config.get("vocab_size", 58101)] * 2
    if not config.get("share_encoder_decoder_embeddings", True):
        sizes[1] = config.get("decoder_vocab_size") or sizes[0]
    tokenizers, orders = [], []
    for model, names, size in (
        ("source.spm", "vocab.json", sizes[0]),
        (
            "target.spm",
            "target_vocab.json" if separate else "vocab.json",
            sizes[1],
        ),
    ):
        if not (folder / model).is_file():
            raise ValueError(
                f"{folder} lacks {model}: put the tokenizer's files "
                "(source.spm, target.spm, vocab.json) there, too."
            )
        tokens = ordered_tokens(folder, read_json(folder / names))
        if len(tokens) != size:
            raise ValueError(
                f"{folder / names} has {len(tokens)} tokens, config.json says "
                f"{size}; take both from one model."
            )
        end, padding = config["eos_token_id"], config["pad_token_id"]
        others = [i for i in range(size) if i not in (end, padding)]
        orders.append([padding, padding, end, *others])
        vocabulary = ["<pad>", "<s>", "</s>", *(tokens[i] for i in others)]
        tokenizers.append(
            MarianTokenizer((folder / model).read_bytes(), vocabulary, unknown)
        )
    return tokenizers, orders


def _drop_copies(folder, config, tensors):
    """Leaves of several names of one tensor the one that the table has.

    Returns:
        bool, whether one table of embeddings serves both languages.
    """
    shared = config.get("share_encoder_decoder_embeddings", True)
    tied = config.get("tie_word_embeddings", True)
    if shared and not tied and {SOURCE, TARGET} <= set(tensors):
        shared = False  # as transformers reads it from version 5 on
        tensors.pop(SHARED, None)
    kept = SHARED if shared else TARGET
    copies = [SOURCE, TARGET] if shared else []
    if tied:
        copies.append(HEAD)
    for name in copies:
        if name not in tensors:
            continue
        array = tensors.pop(name)
        if not np.array_equal(array, tensors.setdefault(kept, array)):
            raise ValueError(
                f"{folder}: {name} is not {kept}, though config.json says "
                "that they are tied."
            )
    return shared
