"""Presets that are adapters, beside a model that others give away.

Such a preset's `preset.json` has a "base", where that model comes from and the
sha256 it is held to (see `external_preset`), and "adapters", how they were
made. `adapters.safetensors` holds them and the head: what was trained, and no
more. A classifier's "config" is all of it, for only its encoder is another's; a
masked LM's says how long its texts may be, a Whisper's how long it hears at
once and what it writes.
"""

import json
import shutil
from pathlib import Path

from keras import ops

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.convert.external_preset import load_external
from keras_selfattn.preprocessing.whisper_text import LETTERS
from keras_selfattn.tasks.pretrained_masked_lm import pretrained_masked_lm
from keras_selfattn.tasks.task import FORMAT
from keras_selfattn.tasks.text_classifier import TextClassifier
from keras_selfattn.training.lora import (
    QUERY_AND_VALUE,
    add_lora,
    load_adapters,
    merge_lora,
    outside,
)
from keras_selfattn.weight_copies import copy_weights

ADAPTERS_FILE = "adapters.safetensors"


def load_adapted(folder, contents):
    """The task of a preset of adapters, these merged into its weights.

    The other's weights count as float16 and the adapters as they are, so that
    the task is the same whichever file they came in.

    Args:
        folder: path of the preset folder.
        contents: dict, its preset.json.

    Returns:
        TextClassifier, MaskedLM or WhisperRecognizer.

    Raises:
        ValueError: the other's model is not at hand or is another one, or the
            adapters do not fit it.
    """
    kind, base = contents["task"], contents["base"]
    if kind not in BUILDERS:
        raise ValueError(
            f"{contents['name']} holds adapters of a {kind}; this version of "
            f"keras_selfattn knows those of a {', a '.join(BUILDERS)}."
        )
    pretrained = load_external(base["name"], base)
    task, adapted = BUILDERS[kind](pretrained, contents["config"])
    for variable in adapted.weights:
        value = ops.convert_to_numpy(variable.value)
        variable.assign(value.astype("float16").astype("float32"))
    made = contents["adapters"]
    add_lora(
        task,
        made["rank"],
        made["alpha"],
        made["targets"],
        outside(task, adapted),
    )
    load_adapters(task, Path(folder) / ADAPTERS_FILE)
    merged = merge_lora(task)
    if kind == "WhisperRecognizer":
        merged = merged.with_window(contents["config"]["window_seconds"])
        merged.write_only(contents["config"]["written"])
        merged.language = contents["config"].get("language")
    return merged


def _classifier(pretrained, config):
    """What adapters are for: the task, and the part of it that is another's."""
    classifier = TextClassifier(**config)
    copy_weights(classifier.encoder, pretrained.encoder)
    return classifier, classifier.encoder


def _masked_lm(pretrained, config):
    """Likewise."""
    model = pretrained_masked_lm(pretrained, config["max_tokens"])
    return model, model.encoder


def _whisper(pretrained, config):
    """Likewise; the recogniser as it was trained, with all of its window."""
    return pretrained, pretrained.whisper


BUILDERS = {
    "TextClassifier": _classifier,
    "MaskedLM": _masked_lm,
    "WhisperRecognizer": _whisper,
}


def save_adapted(trained, folder, base, scale=1.0, **facts):
    """Writes the preset folder of adapters that a training left.

    Args:
        trained: folder of a run of `train/text_classification.py` or
            `train/masked_lm.py` with `--lora-rank`, or of
            `train/whisper_asr.py`: `arguments.json`,
            `adapters.safetensors`, `preset/preset.json`.
        folder: path, made where it is missing; its name becomes the preset's.
        base: dict, see `external_preset.load_external`, and the "name" of
            what was begun with.
        scale: float > 0, how much the adapters count of what was trained.
            Below 1 the weights lie between the others' and the trained ones:
            less is forgotten (Wortsman et al. 2022, arXiv:2109.01903, who
            mix whole weights; here that is a factor of alpha).
        **facts: more JSON-able entries (description, language, license).

    Returns:
        Path of the folder. `keras_selfattn.zoo.seal(folder)` comes next.

    Raises:
        ValueError: the run trained no adapters, or has not ended; a scale
            out of its range.
    """
    if scale <= 0:
        raise ValueError(f"scale={scale}; expected above 0 (1: as trained).")
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
    if contents["task"] == "MaskedLM":
        longest = contents["config"]["tokenizer"]["max_tokens"]
        contents["config"] = {"max_tokens": longest}
    elif contents["task"] == "WhisperRecognizer":
        facts["sampling_rate_hz"] = contents["sampling_rate_hz"]
        language = contents["config"].get("language")
        contents["config"] = {
            "window_seconds": arguments["window_seconds"],
            "written": LETTERS,
            **({"language": language} if language else {}),
        }
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
            "alpha": scale
            * (arguments["lora_alpha"] or arguments["lora_rank"]),
            "targets": arguments["lora_targets"] or list(QUERY_AND_VALUE),
        },
        "files": {},
    }
    text = json.dumps(preset, indent=2, ensure_ascii=False) + "\n"
    write_atomically(folder / "preset.json", text)
    return folder
