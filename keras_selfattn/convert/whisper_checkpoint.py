"""Whisper as `transformers` keeps it: a WhisperRecognizer, and back."""

import json

import numpy as np

from keras_selfattn.convert.config_checks import (
    check_architecture,
    demand,
    without_copy,
)
from keras_selfattn.convert.hf_tokenizer import read_json
from keras_selfattn.convert.safetensors_files import read_tensors
from keras_selfattn.convert.tensor_table import (
    give,
    rows_of,
    take,
    weights_of,
)
from keras_selfattn.convert.whisper_tables import HF_TABLES
from keras_selfattn.convert.whisper_tokenizer import (
    read_whisper_tokenizer,
    whisper_tokenizer_files,
)
from keras_selfattn.preprocessing.whisper_text import END, NO_TIMESTAMPS, START

MODEL = "WhisperForConditionalGeneration"
SIDES = ("encoder", "decoder")
# Ours, theirs, what they take where the key is not there.
SIZES = (
    ("vocabulary_size", "vocab_size", 51865),
    ("hidden_dim", "d_model", 384),
    ("num_mel_bins", "num_mel_bins", 80),
    ("max_frames", "max_source_positions", 1500),
    ("max_sequence_length", "max_target_positions", 448),
    ("dropout", "dropout", 0.0),
)
PAIRS = (
    ("num_layers", "layers", 4),
    ("num_heads", "attention_heads", 6),
    ("intermediate_dim", "ffn_dim", 1536),
)
DEMANDED = {"activation_function": "gelu", "scale_embedding": False}
FRONT_END = {"hop_length": 160, "n_fft": 400, "sampling_rate": 16000}
TIED = "proj_out.weight", "model.decoder.embed_tokens.weight"


def load_whisper(folder, config):
    """A WhisperRecognizer with the weights of a checkpoint's folder.

    Args:
        folder: `pathlib.Path`.
        config: dict, its config.json.

    Raises:
        ValueError: see `huggingface.load_hf`.
    """
    from keras_selfattn.models.whisper import Whisper
    from keras_selfattn.tasks.whisper_recognizer import WhisperRecognizer

    path = folder / "config.json"
    check_architecture(path, config, "whisper", (MODEL,))
    demand(path, config, DEMANDED)
    generation, front_end = (
        read_json(folder / name) if (folder / name).is_file() else {}
        for name in ("generation_config.json", "preprocessor_config.json")
    )
    demand(folder / "preprocessor_config.json", front_end, FRONT_END)
    sizes = {o: config.get(t, default) for o, t, default in SIZES}
    for ours, theirs, default in PAIRS:
        sizes[ours] = [config.get(f"{s}_{theirs}", default) for s in SIDES]
    tied = config.get("tie_word_embeddings", True)
    tensors = without_copy(folder, read_tensors(folder), tied, *TIED)
    whisper = Whisper(**sizes, tie_embeddings=tied, name="whisper")
    tokenizer = read_whisper_tokenizer(
        folder, sizes["vocabulary_size"], sizes["max_sequence_length"]
    )

    def suppressed(name):
        return generation.get(name, config.get(name)) or ()

    task = WhisperRecognizer(
        tokenizer,
        whisper,
        generation.get("language"),
        suppressed("suppress_tokens"),
        suppressed("begin_suppress_tokens"),
        max_new_tokens=default_room(whisper),
        multilingual=is_multilingual(
            tokenizer.vocabulary, generation.get("is_multilingual")
        ),
        translate=generation.get("task") == "translate",
    )
    fill_whisper(task, whisper_rows(HF_TABLES, whisper), tensors, (), folder)
    return task


def whisper_files(task):
    """A WhisperRecognizer as a checkpoint; see `huggingface.save_hf`.

    Biases of keys, which change nothing, are left out: theirs has none.

    Returns:
        config (dict), tensors (dict of arrays), other files (dict of text).
    """
    whisper, tokenizer = task.whisper, task.tokenizer
    arrays = {
        path: array
        for path, array in weights_of(task).items()
        if not path.endswith("/key/bias")
    }
    tensors = give(whisper_rows(HF_TABLES, whisper), arrays)
    ids = {token: i for i, token in enumerate(tokenizer.vocabulary)}
    marks = {
        "bos_token_id": ids[END],
        "eos_token_id": ids[END],
        "pad_token_id": ids[END],
        "decoder_start_token_id": ids[START],
    }
    config = {
        "architectures": [MODEL],
        "model_type": "whisper",
        **{theirs: getattr(whisper, ours) for ours, theirs, _ in SIZES},
        **DEMANDED,
        **marks,
        "tie_word_embeddings": whisper.tie_embeddings,
        "dtype": "float32",
    }
    for ours, theirs, _ in PAIRS:
        value = getattr(whisper, ours)
        value = (value, value) if isinstance(value, int) else value
        for side, number in zip(SIDES, value, strict=True):
            config[f"{side}_{theirs}"] = number
    config["num_hidden_layers"] = config["encoder_layers"]
    generation = {
        **marks,
        "is_multilingual": task.multilingual,
        "suppress_tokens": list(task.suppressed_ids),
        "begin_suppress_tokens": list(task.suppressed_first_ids),
        "no_timestamps_token_id": ids[NO_TIMESTAMPS],
        "max_length": whisper.max_sequence_length,
    }
    if task.multilingual:
        generation["task_to_id"] = {
            name: ids[f"<|{name}|>"]
            for name in ("transcribe", "translate")
            if f"<|{name}|>" in ids
        }
        generation["lang_to_id"] = {
            f"<|{code}|>": i for code, i in task.language_ids.items()
        }
        generation["task"] = "translate" if task.translate else "transcribe"
        if task.language is not None:
            generation["language"] = task.language
    front_end = {
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": whisper.num_mel_bins,
        "chunk_length": task.max_samples / task.sampling_rate_hz,
        **FRONT_END,
    }
    if front_end["chunk_length"].is_integer():
        front_end["chunk_length"] = int(front_end["chunk_length"])
    files = {
        "generation_config.json": json.dumps(generation, indent=2) + "\n",
        "preprocessor_config.json": json.dumps(front_end, indent=2) + "\n",
        **whisper_tokenizer_files(tokenizer),
    }
    return config, tensors, files


def whisper_rows(tables, whisper):
    """The rows of both sides' tables."""
    return [
        row
        for side, depth in zip(SIDES, whisper.depths, strict=True)
        for row in rows_of(tables[side], depth)
    ]


def fill_whisper(task, rows, tensors, ignored, source):
    """`tensor_table.fill`; biases of keys that no row names become 0."""
    named = {part for row in rows for part in row.parts}
    shapes = {
        v.path: v.shape
        for v in task.weights
        if v.path in named or not v.path.endswith("/key/bias")
    }
    arrays = take(rows, tensors, shapes, ignored, source)
    for variable in task.weights:
        if variable.path in arrays:
            variable.assign(arrays[variable.path])
        else:
            variable.assign(np.zeros(variable.shape, "float32"))


def is_multilingual(vocabulary, said=None):
    """Whether a checkpoint is one of many languages.

    Args:
        vocabulary: list of str.
        said: bool, or None where no file says it: then by where the marks
            begin, one token later in the vocabulary of many languages.
    """
    return vocabulary.index(END) != 50256 if said is None else bool(said)


def default_room(whisper):
    """Most new tokens: half of what the model reads, as Whisper has it."""
    return whisper.max_sequence_length // 2
