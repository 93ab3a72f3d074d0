"""Times our translator beside CTranslate2 and KerasHub, on the same weights.

    python benchmarks/translation.py \
        --preset translation_transformer_tiny_en-de \
        --table $KERAS_SELFATTN_DATA/translation/multi30k_en-de.tsv.xz:val \
        --out benchmarks/results/translation.json

Systems, each in a process of its own, on one thread:

- `keras-BACKEND`: the Keras task on every backend that is installed;
- `litert-float`, `litert-int8`: the runtime on a file exported for this run
  (float16 weights, computed in float32; int8 weights). It takes one line after
  another, whatever the batch;
- `ct2-float32`, `ct2-int8`: CTranslate2 with the same weights, converted by
  `translation_ctranslate2.py`;
- `hub-BACKEND`: KerasHub's layers, caches and samplers with the same weights,
  see `translation_keras_hub.py`; told to write as many tokens as ours did.

From text to text: tokenizing counts, by the same code for everybody. First
all translate once, which is not timed; how many lines come out token for
token as from Keras stands in the table (beams are ranked by other length
penalties elsewhere, so they may differ). Then the systems take turns (A B C,
C B A, ...), all lines a turn. Tokens and sentences a second are medians with
quartiles; ratios to CTranslate2 (int8 to int8, all others to float32) are
medians of the ratios within a turn, by the clock and by processor time, which
other work on the machine disturbs less.
"""

import contextlib
import importlib.util
import json
import os
import random
import shlex
import statistics
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.parallel_corpora import read_parallel
from keras_selfattn.measuring import (
    Child,
    ChildError,
    machine,
    spread,
    take_turns,
)

SYSTEMS = Path(__file__).resolve().parent / "translation_systems.py"
BACKENDS = ("torch", "jax", "tensorflow")
KINDS = {
    "keras": "ours: Keras, {}",
    "litert-float": "ours: LiteRT file, float",
    "litert-int8": "ours: LiteRT file, int8",
    "ct2-float32": "CTranslate2, float32",
    "ct2-int8": "CTranslate2, int8",
    "hub": "KerasHub, {}",
}
PER_BACKEND = ("keras", "hub")
LEAST_TURNS, MOST_TURNS = 3, 15


class BenchmarkError(ValueError):
    """What was asked for cannot be measured; the message says why."""


def system_names(backends, chosen=()):
    """All systems, `keras` and `hub` once a backend; or those chosen."""
    names = []
    for kind in KINDS:
        if kind in PER_BACKEND:
            names += [f"{kind}-{backend}" for backend in backends]
        else:
            names.append(kind)
    if unknown := sorted(set(chosen) - set(names)):
        raise BenchmarkError(
            f"--system {unknown[0]}: there are {', '.join(names)}."
        )
    return [name for name in names if name in chosen or not chosen]


def title(name):
    """A system's name in the table."""
    kind, _, backend = name.partition("-")
    return KINDS[name] if name in KINDS else KINDS[kind].format(backend)


def baseline(name):
    """The CTranslate2 that a system is compared with."""
    return "ct2-int8" if name.endswith("int8") else "ct2-float32"


def draw(table, sentences, seed):
    """Lines of a TABLE:SPLIT, the same for the same seed."""
    lines = [pair.source for pair in read_parallel([table])]
    return random.Random(seed).sample(lines, min(sentences, len(lines)))


def start(stack, name, job):
    """A child that has loaded one system."""
    kind, _, backend = name.partition("-")
    system = kind if kind in PER_BACKEND else name.replace("-", "_")
    environment = {
        "KERAS_BACKEND": backend if kind in PER_BACKEND else job["backend"]
    }
    child = stack.enter_context(Child(SYSTEMS, environment, threads=1))
    child.send(
        do="prepare",
        system=system,
        preset=job["preset"],
        folder=job["folder"],
        lines=job["lines"],
    )
    return child


def first_translations(children, cell, lengths, failed):
    """Each system's token ids, untimed; who fails is noted and left out.

    KerasHub comes last: `lengths` is what ours wrote before it.
    """
    found = {}
    for name in sorted(children, key=lambda name: name.startswith("hub")):
        if name.startswith("hub") and found:
            ours = next(iter(found.values()))
            lengths = [len(ids) for ids in ours]
        try:
            reply = children[name].ask(do="translate", **cell, lengths=lengths)
            found[name] = reply["token_ids"]
        except ChildError as error:
            failed[name] = str(error)
    return found, lengths


def measure_cell(children, cell, budget):
    """Times the systems in turns, for one batch and beam.

    Returns:
        dict of "systems" (name to its figures), "failed" (name to reason),
        "batch" and "beam".
    """
    failed = {}
    written, lengths = first_translations(children, cell, None, failed)
    processor = {name: [] for name in written}

    def run(name):
        reply = children[name].ask(do="time", **cell, lengths=lengths)
        processor[name].append(reply["cpu_s"])
        return reply["seconds"]

    seconds = take_turns(run, written, budget)
    reference = next((n for n in written if n.startswith("keras")), None)
    reference = reference or next(iter(written), None)
    tokens = {n: sum(map(len, ids)) for n, ids in written.items()}
    systems = {}
    for name, ids in written.items():
        theirs = baseline(name)
        rates = {
            key: statistics.median(
                (tokens[name] / own) / (tokens[theirs] / other)
                for own, other in zip(times[name], times[theirs], strict=True)
            )
            for key, times in (("clock", seconds), ("processor", processor))
            if theirs in written
        }
        systems[name] = {
            **spread(seconds[name]),
            "processor_s": statistics.median(processor[name]),
            "tokens": tokens[name],
            "sentences": len(ids),
            "same_as_reference": sum(map(list.__eq__, ids, written[reference])),
            "to_ctranslate2": rates,
        }
    return {
        **cell,
        "reference": reference,
        "systems": systems,
        "failed": failed,
    }


def fastest(cell, kind):
    """The system of a kind with the most tokens a second, or None."""
    systems = {
        name: entry
        for name, entry in cell["systems"].items()
        if name.startswith(kind)
    }
    return max(
        systems,
        key=lambda name: systems[name]["tokens"] / systems[name]["median_s"],
        default=None,
    )


def show(cells, console):
    """Prints a table a cell, and who failed."""
    for cell in cells:
        table = Table(
            title=f"Batch {cell['batch']}, beam {cell['beam']}: one thread"
        )
        table.add_column("system", no_wrap=True)
        headers = ["tokens/s (quartiles)", "sentences/s", "x CTranslate2"]
        for header in [*headers, "by processor", "same tokens"]:
            table.add_column(header, justify="right")
        for name, entry in cell["systems"].items():
            rates = entry["to_ctranslate2"]
            low, middle, high = (
                entry["tokens"] / entry[key]
                for key in ("high_s", "median_s", "low_s")
            )
            table.add_row(
                title(name),
                f"{middle:.0f} ({low:.0f}-{high:.0f})",
                f"{entry['sentences'] / entry['median_s']:.1f}",
                f"{rates['clock']:.2f}" if rates else "-",
                f"{rates['processor']:.2f}" if rates else "-",
                f"{entry['same_as_reference']} of {entry['sentences']}",
            )
        console.print(table)
        for name, reason in cell["failed"].items():
            console.print(f"{title(name)} did not run: {reason}")
    for line in conclusions(cells):
        console.print(line)


def conclusions(cells):
    """What the run says about equality and about the goals, as lines."""
    lines = []
    for cell in cells:
        entries = cell["systems"]
        where = f"batch {cell['batch']}, beam {cell['beam']}"
        theirs = entries.get("ct2-float32")
        if cell["beam"] == 1 and theirs and cell["reference"]:
            lines.append(
                f"{where}: CTranslate2 float32 writes the tokens of "
                f"{title(cell['reference'])} for "
                f"{theirs['same_as_reference']} of {theirs['sentences']} "
                "sentences."
            )
        best, hub = fastest(cell, "keras"), fastest(cell, "hub")
        if best and hub:
            ours, other = (
                entries[n]["tokens"] / entries[n]["median_s"]
                for n in (best, hub)
            )
            lines.append(
                f"{where}: {title(best)} is the best backend, "
                f"{ours / other:.2f} times {title(hub)}, KerasHub's best."
            )
    return lines


def make_files(preset, folder, backend, progress):
    """Exports and converts in a child; says what could not be made."""
    with Child(SYSTEMS, {"KERAS_BACKEND": backend}, threads=1) as child:
        try:
            reply = child.ask(
                do="make_files", preset=str(preset), folder=str(folder)
            )
        except ChildError as error:
            raise BenchmarkError(f"{preset} cannot be used: {error}") from None
    for name, reason in reply["failed"].items():
        progress.print(f"{name}: {reason}")


def measure(job, names, cells, budget, progress):
    """All cells, with the systems that can be loaded; each keeps its child."""
    lost = {}
    with contextlib.ExitStack() as stack:
        children = {name: start(stack, name, job) for name in names}
        for name in names:
            try:
                children[name].receive()
            except ChildError as error:
                lost[name] = str(error)
                del children[name]
        found = []
        for cell in cells:
            progress.print(f"batch {cell['batch']}, beam {cell['beam']}")
            result = measure_cell(children, cell, budget)
            result["failed"] = {**lost, **result["failed"]}
            found.append(result)
    return found


def main(
    preset: Annotated[str, typer.Option(help="Name, alias or folder.")],
    table: Annotated[str, typer.Option(help="TABLE:SPLIT to draw lines from.")],
    sentences: Annotated[
        int, typer.Option(min=1, help="How many to draw.")
    ] = 64,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 1,
    batch: Annotated[
        list[int] | None, typer.Option(min=1, help="May be repeated.")
    ] = None,
    beam: Annotated[
        list[int] | None, typer.Option(min=1, help="May be repeated.")
    ] = None,
    system: Annotated[
        list[str] | None,
        typer.Option(help="Only this system; may be repeated."),
    ] = None,
    cell_seconds: Annotated[
        float, typer.Option(min=0, help="Seconds of one batch and beam.")
    ] = 60.0,
    work: Annotated[
        Path | None,
        typer.Option(help="Keep the exported and converted files here."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Keep the result here, as JSON.")
    ] = None,
) -> None:
    """Prints and keeps tokens and sentences a second, side by side."""
    console = Console(width=None if Console().is_terminal else 120)
    progress = Console(stderr=True)
    backends = [name for name in BACKENDS if importlib.util.find_spec(name)]
    batches, beams = batch or [1, 32], beam or [1, 4]
    cells = [{"batch": n, "beam": k} for n in batches for k in beams]
    budget = {
        "cell_seconds": cell_seconds,
        "least_turns": LEAST_TURNS,
        "most_turns": MOST_TURNS,
    }
    started = time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = work or Path(
            stack.enter_context(tempfile.TemporaryDirectory())
        )
        try:
            names = system_names(backends, system or ())
            lines = draw(table, sentences, seed)
            found = zoo.resolve(preset)
            make_files(found, folder, backends[0], progress)
        except ValueError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from None
        job = {
            "preset": str(found),
            "folder": str(folder),
            "lines": lines,
            "backend": backends[0],
        }
        results = measure(job, names, cells, budget, progress)
    show(results, console)
    if out:
        words = ["--preset", found.name, "--sentences", str(sentences)]
        words += ["--seed", str(seed), "--cell-seconds", str(cell_seconds)]
        for option, values in (
            ("--batch", batch),
            ("--beam", beam),
            ("--system", system),
        ):
            words += [w for v in values or () for w in (option, str(v))]
        named = "$KERAS_SELFATTN_DATA/translation/" + os.path.basename(table)
        result = {
            "format": 1,
            "machine": machine(),
            "command": f"python benchmarks/translation.py --table {named} "
            + shlex.join(words),
            "minutes": (time.monotonic() - started) / 60,
            "budget": budget,
            "titles": {name: title(name) for name in names},
            "cells": results,
            "conclusions": conclusions(results),
        }
        write_atomically(out, json.dumps(result, indent=1) + "\n")
    if not any(cell["systems"] for cell in results):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
