"""Presets that are adapters, beside an encoder that others give away.

Such a preset's `preset.json` has a "base", where the encoder comes from and
the sha256 it is held to (see `external_preset`), and "adapters", how they were
made. `adapters.safetensors` holds them and the head: what was trained, and no
more.
"""

import json
import shutil
from pathlib import Path

from keras import ops

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.convert.external_preset import load_external
from keras_selfattn.tasks.pretrained_classifier import copy_encoder
from keras_selfattn.tasks.task import FORMAT
from keras_selfattn.tasks.text_classifier import TextClassifier
from keras_selfattn.training.lora import (
    QUERY_AND_VALUE,
    add_lora,
    load_adapters,
    merge_lora,
    outside,
)

ADAPTERS_FILE = "adapters.safetensors"


def load_adapted(folder, contents):
    """The task of a preset of adapters, these merged into its weights.

    The encoder's weights count as float16 and the adapters as they are, so
    that the task is the same whichever file the encoder came in.

    Args:
        folder: path of the preset folder.
        contents: dict, its preset.json.

    Returns:
        TextClassifier.

    Raises:
        ValueError: the encoder is not at hand or is another one, or the
            adapters do not fit it.
    """
    kind, base = contents["task"], contents["base"]
    if kind != "TextClassifier":
        raise ValueError(
            f"{contents['name']} holds adapters of a {kind}; this version of "
            "keras_selfattn knows those of a TextClassifier."
        )
    pretrained = load_external(base["name"], base)
    classifier = TextClassifier(**contents["config"])
    copy_encoder(classifier.encoder, pretrained.encoder)
    for variable in classifier.encoder.weights:
        value = ops.convert_to_numpy(variable.value)
        variable.assign(value.astype("float16").astype("float32"))
    made = contents["adapters"]
    add_lora(
        classifier,
        made["rank"],
        made["alpha"],
        made["targets"],
        outside(classifier, classifier.encoder),
    )
    load_adapters(classifier, Path(folder) / ADAPTERS_FILE)
    return merge_lora(classifier)


def save_adapted(trained, folder, base, **facts):
    """Writes the preset folder of adapters that a training left.

    Args:
        trained: folder of a run of `train/text_classification.py` with
            `--lora-rank`: `arguments.json`, `adapters.safetensors`,
            `preset/preset.json`.
        folder: path, made where it is missing; its name becomes the preset's.
        base: dict, see `external_preset.load_external`, and the "name" of
            what was begun with.
        **facts: more JSON-able entries (description, language, license).

    Returns:
        Path of the folder. `keras_selfattn.zoo.seal(folder)` comes next.

    Raises:
        ValueError: the run trained no adapters, or has not ended.
    """
    trained, folder = Path(trained), Path(folder)
    adapters = trained / ADAPTERS_FILE
    merged = trained / "preset/preset.json"
    if not (adapters.is_file() and merged.is_file()):
        raise ValueError(
            f"{trained} has no {ADAPTERS_FILE} and preset: train it to its "
            "end with --lora-rank."
        )
    arguments = json.loads((trained / "arguments.json").read_text("utf8"))
    contents = json.loads(merged.read_text("utf8"))
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(adapters, folder / ADAPTERS_FILE)
    preset = {
        "format": FORMAT,
        "name": folder.resolve().name,
        "task": contents["task"],
        **facts,
        "config": contents["config"],
        "base": base,
        "adapters": {
            "rank": arguments["lora_rank"],
            "alpha": arguments["lora_alpha"] or None,
            "targets": arguments["lora_targets"] or list(QUERY_AND_VALUE),
        },
        "files": {},
    }
    text = json.dumps(preset, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / "preset.json", text)
    return folder
