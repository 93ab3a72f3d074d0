"""Checkpoints of `transformers` as tasks, and tasks as such checkpoints.

One importer for all of them: what differs between architectures is in a file
of each, which a table names and which is imported when it is needed.
"""

import importlib
import json
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.convert.hf_tokenizer import read_json
from keras_selfattn.convert.hub import PREFIX, hub_folder
from keras_selfattn.convert.safetensors_files import SINGLE

CONFIG = "config.json"
# A config.json's model_type -> load(folder, config) -> task.
LOADERS = {
    "bert": "bert:load_bert",
    "ctranslate2": "whisper_ctranslate2:load_whisper_ctranslate2",
    "distilbert": "bert:load_bert",
    "gpt2": "gpt2:load_gpt2",
    "marian": "marian:load_marian",
    "moonshine": "moonshine:load_moonshine",
    "roberta": "bert:load_bert",
    "whisper": "whisper_checkpoint:load_whisper",
    "t5": "t5:load_t5",
}
# A task's class -> files(task) -> config, tensors, {name: text or bytes}.
SAVERS = {
    "CausalLM": "gpt2:gpt2_files",
    "MaskedLM": "bert:bert_files",
    "MoonshineRecognizer": "moonshine:moonshine_files",
    "TextToText": "t5:t5_files",
    "Translator": "marian:marian_files",
    "WhisperRecognizer": "whisper_checkpoint:whisper_files",
}


def load_hf(source):
    """A task with the weights of somebody else's checkpoint.

    Args:
        source: str `hf://owner/name[@revision]`, or the path of a folder with
            `config.json`, `model.safetensors` (or its shards) and the
            tokenizer's files.

    Returns:
        The task of its architecture: MaskedLM for BERT and its kin, without a
        head where the checkpoint has none; CausalLM for GPT-2; Translator
        for Marian, TextToText for T5, WhisperRecognizer, MoonshineRecognizer.

    Raises:
        ValueError: an architecture or option that we have not, tensors that
            are missing, left over or of another shape, a vocabulary of
            another size, files that are missing or damaged, no network.
        ImportError: `hf://` without the package huggingface_hub.

    Example:
        >>> task = load_hf("hf://sentence-transformers/all-MiniLM-L6-v2")
        >>> task.embed("A sentence.").shape
        (384,)
    """
    named = isinstance(source, str) and source.startswith(PREFIX)
    folder = hub_folder(source) if named else Path(source)
    config = read_json(folder / CONFIG)
    kind = config.get("model_type")
    if kind is None and (folder / "model.bin").is_file():
        kind = "ctranslate2"  # whose config.json does not say
    if kind not in LOADERS:
        raise ValueError(
            f"{folder / CONFIG} has model_type={kind!r}; there are tables for "
            f"{', '.join(sorted(LOADERS))}."
        )
    return _function(LOADERS[kind])(folder, config)


def save_hf(task, folder):
    """Writes a task as a checkpoint that `transformers` loads.

    `config.json`, `model.safetensors` (float32) and the tokenizer's files;
    what is loaded from them is what was written, bit for bit.

    Args:
        task: a task of an architecture that `load_hf` knows.
        folder: path, made where it is missing.

    Returns:
        `pathlib.Path` of the folder.

    Raises:
        ValueError: a task or sizes that no architecture of theirs has.
    """
    from safetensors.numpy import save

    kind = type(task).__name__
    if kind not in SAVERS:
        raise ValueError(
            f"save_hf writes {', '.join(sorted(SAVERS))}; received a {kind}."
        )
    config, tensors, files = _function(SAVERS[kind])(task)
    files = {
        SINGLE: save(tensors, metadata={"format": "pt"}),
        CONFIG: json.dumps(config, indent=2) + "\n",
        **files,
    }
    for name, content in files.items():
        write_atomically(Path(folder) / name, content)
    return Path(folder)


def _function(name):
    """What `"module:function"` names, in this room."""
    module, _, function = name.partition(":")
    return getattr(
        importlib.import_module(f"keras_selfattn.convert.{module}"), function
    )
