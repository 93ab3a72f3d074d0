"""Times our speech recogniser beside its peers, on the same files.

    python benchmarks/asr.py --data $KERAS_SELFATTN_DATA/speech \
        --set speechocean762:test --utterances 200 \
        --json benchmarks/results/asr.json

Systems: `ours` (keras_selfattn.runtime on a preset's .tflite), `pocketsphinx`
(5.1.1 with its en-us model), `whisper` (tiny.en through faster-whisper with
that package's defaults: beam 5, fallback temperatures) and `whisper-greedy`
(its fastest setting). Each runs in a process of its own, one after another,
on one thread, by `asr_systems.py`; a peer that lives in another environment
is run with `--python whisper=/path/to/python`. What is measured:

- real-time factor: seconds from samples to text / seconds of audio, over all
  files (reading files is not counted);
- word error rate over all files, after the same normalisation for everybody
  (lower case, numbers spelled out, `[a-z' ]`; see `count_errors`);
- peak memory: the most resident memory of the process;
- start-up: from starting the process to the first text, the median of several
  starts on one file, after one start that is not counted.

All of it, texts included, is kept as JSON for `train/report.py`.
"""

import json
import os
import platform
import random
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.metrics.error_rate import (
    ErrorCounts,
    closest,
    word_errors,
)
from keras_selfattn.preprocessing.spoken_numbers import readings
from keras_selfattn.preprocessing.transcripts import normalize_transcript

HERE = Path(__file__).resolve().parent
TITLES = {
    "ours": "keras_selfattn runtime",
    "ours-stream": "keras_selfattn runtime, chunk by chunk",
    "pocketsphinx": "PocketSphinx 5.1.1 en-us",
    "whisper": "Whisper tiny.en int8, faster-whisper, beam 5",
    "whisper-greedy": "Whisper tiny.en int8, faster-whisper, greedy",
}
SYSTEMS = [name for name in TITLES if name != "ours-stream"]
COLUMNS = {  # header: key of the summary, factor, format
    "WER %": ("wer", 100, ".1f"),
    "real-time factor": ("real_time_factor", 1, ".4f"),
    "peak MiB": ("peak_memory_bytes", 2**-20, ".0f"),
    "start-up s": ("start_up_s", 1, ".2f"),
}


class BenchmarkError(ValueError):
    """What was asked for cannot be measured; the message says why."""


def count_errors(reference: str, text: str) -> ErrorCounts:
    """Counts word errors; of two readings of a number the better one counts.

    "291" may have been said as a number or digit by digit, and only the
    reference knows: a system that writes digits must not lose by it.
    """
    return word_errors(reference, closest(reference, readings(text)))


def draw(data: Path, named: str, utterances: int, seed: int) -> list:
    """Draws utterances of a CORPUS:SPLIT, the same for the same seed."""
    corpus, _, split = named.partition(":")
    if not corpus or not split:
        raise BenchmarkError(
            f"--set {named!r}: expected CORPUS:SPLIT, such as fsdd:test."
        )
    examples = read_manifest(data / corpus, split)
    drawn = random.Random(seed).sample(examples, min(utterances, len(examples)))
    return sorted(drawn, key=lambda example: str(example.path))


def run_system(system: str, python: str, files: list[str], model: str) -> dict:
    """Runs one system over the files in a child process.

    Returns:
        What `asr_systems.py` wrote, or `{"error": ...}` where it could not.
    """
    with tempfile.TemporaryDirectory() as scratch:
        job, result = Path(scratch, "job.json"), Path(scratch, "result.json")
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        ours = system.startswith("ours")
        if ours:
            root = [str(HERE.parent), environment.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, root))
        else:
            environment.pop("PYTHONPATH", None)
        job.write_text(
            json.dumps(
                {
                    "files": files,
                    "model": model if ours else "",
                    "started_at": time.time(),
                }
            ),
            encoding="utf8",
        )
        script = str(HERE / "asr_systems.py")
        try:
            child = subprocess.run(
                [python, script, system, str(job), str(result)],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        except OSError as error:
            return {"error": f"{python} cannot be started: {error.strerror}"}
        if child.returncode:
            lines = child.stderr.strip().splitlines() or ["no message"]
            return {"error": lines[-1]}
        return json.loads(result.read_text(encoding="utf8"))


def summarize(result: dict, references: list[str], starts: list[float]) -> dict:
    """Returns the figures of one system's run."""
    spoken = [normalize_transcript(text) for text in references]
    heard = [utterance["text"] for utterance in result["utterances"]]
    counts = sum(map(count_errors, spoken, heard), ErrorCounts())
    audio_s = sum(u["audio_s"] for u in result["utterances"])
    compute_s = sum(u["compute_s"] for u in result["utterances"])
    return {
        "words": counts.reference_length,
        "word_errors": counts.errors,
        "wer": counts.rate,
        "audio_s": audio_s,
        "compute_s": compute_s,
        "real_time_factor": compute_s / audio_s,
        "peak_memory_bytes": result["peak_memory_bytes"],
        "model_bytes": result["model_bytes"],
        "start_up_s": statistics.median(starts),
        "start_ups_s": starts,
    }


def measure(system, python, examples, model, starts) -> dict:
    """Runs one system: `starts` times on one file, then on all of them."""
    entry = {"title": TITLES[system]}
    files = [str(example.path) for example in examples]
    first = []
    for _ in range(starts + 1):
        result = run_system(system, python, files[:1], model)
        if "error" in result:
            return {**entry, "error": result["error"]}
        first.append(result["first_result_s"])
    result = run_system(system, python, files, model)
    if "error" in result:
        return {**entry, "error": result["error"]}
    references = [example.text for example in examples]
    entry["summary"] = summarize(result, references, first[1:])
    entry["texts"] = [u["text"] for u in result["utterances"]]
    return entry


def parse_pythons(options: list[str]) -> dict[str, str]:
    """Reads `PATH` (for every peer) and `SYSTEM=PATH` into one mapping."""
    pythons = dict.fromkeys(TITLES, sys.executable)
    for option in sorted(options, key=lambda text: "=" in text):
        system, equals, path = option.partition("=")
        if not equals:
            peers = [name for name in TITLES if not name.startswith("ours")]
            pythons.update(dict.fromkeys(peers, option))
        elif system in TITLES:
            pythons[system] = path
        else:
            raise BenchmarkError(
                f"--python {option}: no system {system!r}; there are "
                f"{', '.join(TITLES)}."
            )
    return pythons


def processor() -> str:
    """Returns the name of this machine's processor."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf8")
        found = re.search(r"model name\s*:\s*(.+)", text)
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name.strip()}, {platform.system()}"


def show(systems: dict[str, dict], console: Console, columns=COLUMNS) -> None:
    """Prints the table, with how many times as much as ours in brackets."""
    ours = systems.get("ours", {}).get("summary")
    table = Table(title="One thread, the same files")
    table.add_column("system", no_wrap=True)
    for header in columns:
        table.add_column(header, justify="right")

    def cell(summary, key, scale, form):
        text = format(summary[key] * scale, form)
        if ours and summary is not ours and ours[key]:
            text += f" ({summary[key] / ours[key]:.1f}x)"
        return text

    for name, system in systems.items():
        if "error" in system:
            table.add_row(name, *("-" for _ in columns))
            continue
        summary = system["summary"]
        cells = [cell(summary, *column) for column in columns.values()]
        table.add_row(system["title"], *cells)
    console.print(table)
    for name, system in systems.items():
        if "error" in system:
            console.print(f"{name} did not run: {system['error']}")


def measure_all(chosen, pythons, examples, model, starts) -> dict:
    """Runs the systems one after another; name to what `measure` gives."""
    progress, found = Console(stderr=True), {}
    for name in chosen:
        with progress.status(f"{name}: {len(examples)} utterances"):
            found[name] = measure(name, pythons[name], examples, model, starts)
    return found


def keep(
    path: Path,
    script: str,
    options: list[str],
    data: Path,
    examples: list,
    systems: dict[str, dict],
) -> None:
    """Writes all of it as JSON, with the command that prints it.

    Args:
        path: file to write.
        script: name of the script in `benchmarks/`.
        options: words of the command, "--set" first.
        data: folder of manifest folders.
        examples: what was drawn of the set.
        systems: name to what `measure` gave.
    """
    corpus, _, split = options[1].partition(":")
    ran = [s["summary"] for s in systems.values() if "summary" in s]
    result = {
        "format": 1,
        "machine": processor(),
        "command": f"python benchmarks/{script} --data "
        "$KERAS_SELFATTN_DATA/speech " + shlex.join(options),
        "data": {
            "dataset": corpus,
            "split": split,
            "seed": int(options[options.index("--seed") + 1]),
            "utterances": len(examples),
            "audio_s": ran[0]["audio_s"] if ran else 0.0,
            "files": [
                example.path.relative_to(data / corpus).as_posix()
                for example in examples
            ],
        },
        "systems": systems,
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    write_atomically(path, text)


def model_file(preset: str) -> Path:
    """Returns the .tflite of a preset, or the file itself."""
    path = Path(preset)
    if path.suffix != ".tflite":
        path = zoo.resolve(preset) / "model.tflite"
    if not path.is_file():
        raise BenchmarkError(f"{path}: no such file.")
    return path.resolve()


DataOption = Annotated[Path, typer.Option(help="Folder of manifest folders.")]
SetOption = Annotated[
    str, typer.Option("--set", help="CORPUS:SPLIT to draw from.")
]
UtterancesOption = Annotated[int, typer.Option(min=1, help="How many to draw.")]
SeedOption = Annotated[int, typer.Option(help="Seed of the draw.")]
PythonOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[SYSTEM=]PATH",
        help="Python that runs the peers, or one of them.",
    ),
]
StartsOption = Annotated[
    int, typer.Option(min=1, help="Starts that are timed.")
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", help="Keep the result here.")
]


def compare(
    script: str,
    chosen: list[str],
    data: Path,
    named: str,
    utterances: int,
    seed: int,
    preset: str,
    python: list[str] | None,
    starts: int,
    json_out: Path | None,
    columns: dict = COLUMNS,
) -> None:
    """Measures systems side by side, prints the table and keeps the result.

    Args:
        script: name of the script in `benchmarks/` that does.
        chosen: names of the systems.
        columns: of the table; see `COLUMNS`.
        data, named, utterances, seed, preset, python, starts, json_out: as
            the command line has them.

    Raises:
        typer.Exit: 2 for what cannot be measured, 1 where no system ran.
    """
    # Wide, so that a log file keeps a row on a line.
    console = Console(width=None if Console().is_terminal else 120)
    try:
        if unknown := sorted(set(chosen) - set(TITLES)):
            raise BenchmarkError(
                f"no system {unknown}; there are {', '.join(TITLES)}."
            )
        pythons = parse_pythons(python or [])
        ours = any(name.startswith("ours") for name in chosen)
        model = model_file(preset) if ours else None
        examples = draw(data, named, utterances, seed)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    systems = measure_all(chosen, pythons, examples, str(model), starts)
    show(systems, console, columns)
    if json_out:
        options = ["--set", named, "--utterances", str(utterances)]
        options += ["--seed", str(seed), "--preset", preset]
        keep(json_out, script, options, data, examples, systems)
    if not any("summary" in entry for entry in systems.values()):
        raise typer.Exit(1)


def main(
    data: DataOption,
    named: SetOption = "speechocean762:test",
    utterances: UtterancesOption = 200,
    seed: SeedOption = 1,
    preset: Annotated[
        str, typer.Option(help="Preset or .tflite that stands for ours.")
    ] = "asr",
    system: Annotated[
        list[str] | None,
        typer.Option(help="Only this system; may be repeated."),
    ] = None,
    python: PythonOption = None,
    starts: StartsOption = 3,
    json_out: JsonOption = None,
) -> None:
    """Prints and keeps error rate, speed, memory and start-up, side by side."""
    compare(
        "asr.py",
        system or SYSTEMS,
        data,
        named,
        utterances,
        seed,
        preset,
        python,
        starts,
        json_out,
    )


if __name__ == "__main__":
    typer.run(main)
