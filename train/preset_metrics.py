"""Which file of a preset is measured, and what its metrics.json keeps.

Shared by the `evaluate_*.py` scripts.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.runtime import preset_folder

ADAPTERS = "adapters.safetensors"


class EvaluationError(ValueError):
    """What was asked for cannot be measured; the message says why."""


@dataclass(frozen=True)
class Source:
    """What is measured.

    Args:
        file: the .tflite.
        folder: the preset folder it belongs to, None for a lone .tflite.
    """

    file: Path
    folder: Path | None


def find_source(preset: str, file: str = "model.tflite") -> Source:
    """Finds the .tflite named by a preset, a preset folder or its own path.

    A preset of others' weights has none; it is exported once, as `dynamic`,
    and kept in the user's cache.

    Raises:
        EvaluationError: there is no such file.
        PresetError: there is no such preset.
    """
    if preset.endswith(".tflite"):
        source = Source(Path(preset), None)
    else:
        folder = zoo.resolve(preset)
        source = Source(folder / file, folder)
        if not source.file.is_file() and file == "model.tflite":
            if preset_folder.needs_others(zoo.describe(folder)):
                source = Source(zoo.device_file(folder), folder)
    if not source.file.is_file():
        raise EvaluationError(f"{source.file}: there is no such file.")
    return source


def keras_task(source: Source):
    """Loads the preset's own weights in Keras, for `--compare keras`.

    Raises:
        EvaluationError: a lone .tflite has none.
    """
    if source.folder is None:
        raise EvaluationError(
            "--compare keras needs the preset's weights: give --preset a "
            "preset name or folder, not a .tflite."
        )
    return zoo.load(source.folder)


def parse_set(named: str) -> tuple[str, str]:
    """Reads `CORPUS:SPLIT`."""
    corpus, _, split = named.partition(":")
    if not corpus or not split:
        raise EvaluationError(
            f"--set {named}: expected CORPUS:SPLIT, such as fsdd:test."
        )
    return corpus, split


def check_update(update: bool, limit: int | None, source: Source) -> None:
    """Refuses to enter what is no measurement of a preset on whole sets."""
    if update and (limit or source.folder is None):
        raise EvaluationError(
            "--update-metrics wants a preset, and whole sets: leave out "
            "--limit, and give a preset name or folder."
        )


def read_metrics(folder: Path) -> dict:
    """Reads a preset's metrics.json; empty where there is none yet."""
    path = folder / "metrics.json"
    if not path.is_file():
        return {"format": 1, "results": []}
    return json.loads(path.read_text(encoding="utf8"))


def update_metrics(folder: Path, entries: list[dict]) -> Path:
    """Replaces or adds entries, by file, data, split and search; sorted.

    Of a preset of adapters, or of weights of others, the file is not shipped:
    their sum says what was measured.
    """
    adapters, preset = folder / ADAPTERS, folder / "preset.json"
    made_of = {}
    if adapters.is_file():
        made_of = {"adapters_sha256": preset_folder.sha256(adapters)}
    elif preset.is_file():
        source = json.loads(preset.read_text("utf8")).get("source")
        if source:
            made_of = {"weights_sha256": source["sha256"]["weights"]}
    entries = [entry | made_of for entry in entries]

    def key(entry):
        names = [entry[name] for name in ("file", "dataset", "split")]
        asked = entry.get("beam", 1), entry.get("truncation", 0.0)
        return *names, *asked, entry.get("grammar", "")

    metrics = read_metrics(folder)
    kept = {key(entry): entry for entry in metrics.get("results", [])}
    kept.update((key(entry), entry) for entry in entries)
    metrics["results"] = [kept[place] for place in sorted(kept)]
    text = json.dumps(metrics, indent=2, ensure_ascii=False) + "\n"
    path = folder / "metrics.json"
    write_atomically(path, text)
    return path
