"""Trains attention, its relatives, a CNN and an RNN under one budget.

    python benchmarks/compare_architectures.py --data $KERAS_SELFATTN_DATA \
        --json benchmarks/results/compare_architectures.json

The budget: the same number of steps over the same batches in the same order,
the same optimizer and schedule, the same embeddings, and bodies (all that is
no embedding) of nearly the same number of weights. What a step costs differs,
so the processor's seconds of training are told beside the accuracy.

Two tasks: IMDB, whether a review is favourable (words, cut at a length); and
associative recall, generated from a seed: in the first half of a sequence
stand pairs of a key and a value among fillers, a pair being one token; in the
second half keys stand among fillers, and the model is to give each one's
value. Distance from question to answer is known there, and accuracy is told
by it.

Then the cost as the length grows: one sequence, one training step, time and
peak memory of every architecture, each at each length in a process of its
own; the architectures take turns (A B C, C B A, ...). Training runs are
spread over the processors, one thread each; steps are timed one at a time.
Sizes and budgets are those of `compare_architectures_plan.json`. The pictures
are drawn beside the JSON. Parts that are not run again stay in it as they are.
"""

import json
import os
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from keras_selfattn.atomic_file import write_atomically, written_beside
from keras_selfattn.data.associative_recall import (
    associative_recall,
    vocabulary_size,
)
from keras_selfattn.data.text_tables import read_texts
from keras_selfattn.measuring import (
    Child,
    ChildError,
    machine,
    spread,
    take_turns,
)
from keras_selfattn.plots.growth import plot_growth
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer

SYSTEMS = Path(__file__).resolve().parent / "compare_architectures_systems.py"
TITLES = {
    "attention": "attention",
    "low_rank": "low-rank attention (Linformer)",
    "nystrom": "Nystrom attention",
    "local": "local attention",
    "hierarchical": "hierarchical attention",
    "cnn": "CNN",
    "rnn": "bidirectional GRU",
}
PLANS = Path(__file__).resolve().parent / "compare_architectures_plan.json"
TASKS = ("imdb", "recall")
NAMES = {"imdb": "IMDB", "recall": "associative recall"}


def imdb_task(data, plan, seed):
    """Reviews as word ids; the vocabulary comes from the training texts.

    Returns:
        dict of arrays, and the task as `compare_architectures_systems` has
        it.
    """
    rng = np.random.default_rng(seed)
    path = Path(data) / "classification" / "imdb.tsv.xz"
    examples = {split: read_texts(path, split) for split in ("train", "test")}
    names = sorted({row.label for rows in examples.values() for row in rows})
    arrays, vocabulary = {}, None
    for split, rows in examples.items():
        count = min(plan[f"{split}_rows"], len(rows))
        rows = [rows[i] for i in rng.choice(len(rows), count, replace=False)]
        texts = [example.text for example in rows]
        if vocabulary is None:
            vocabulary = TextTokenizer.build(
                texts, plan["vocabulary_size"], max_tokens=plan["length"]
            )
        ids = vocabulary.batch(texts, plan["length"])["token_ids"]
        arrays[f"{split}_ids"] = ids
        arrays[f"{split}_labels"] = np.array(
            [names.index(example.label) for example in rows], "int32"
        )
    return arrays, {
        "vocabulary_size": vocabulary.vocabulary_size,
        "num_classes": len(names),
        "per_token": False,
    }


def recall_task(plan, seed):
    """Associative recall from a seed: arrays and task, as `imdb_task`."""
    sizes = {
        name: plan[name]
        for name in ("length", "num_keys", "num_values", "num_pairs")
    }
    rng = np.random.default_rng(seed)
    train = associative_recall(plan["train_rows"], **sizes, seed=rng)
    test = associative_recall(plan["test_rows"], **sizes, seed=rng)
    arrays = {
        "train_ids": train[0],
        "train_labels": train[1],
        "test_ids": test[0],
        "test_labels": test[1],
        "test_distances": test[2],
    }
    return arrays, {
        "vocabulary_size": vocabulary_size(
            plan["num_keys"], plan["num_values"]
        ),
        "num_classes": plan["num_values"],
        "per_token": True,
    }


def train_all(name, arrays, task, plan, options, say):
    """Trains every architecture on one task, some at a time.

    Args:
        name: "imdb" or "recall".
        arrays: dict of arrays.
        task: dict; see `imdb_task`.
        plan: dict; see PLANS.
        options: dict of "backend", "seed" and "cpus", a list of int.
        say: function of a line of progress.

    Returns:
        dict of architecture to what came of it, or to {"error": ...}.
    """
    free = list(options["cpus"])

    def run(architecture):
        cpu = free.pop()
        try:
            say(f"{name}: {architecture}")
            environment = {"KERAS_BACKEND": options["backend"]}
            with Child(SYSTEMS, environment, cpus={cpu}) as child:
                return child.ask(
                    do="train",
                    architecture=architecture,
                    data=str(path),
                    task=task,
                    sizes=plan["sizes"],
                    budget=plan[name],
                    seed=options["seed"],
                )
        except ChildError as error:
            return {"error": str(error)}
        finally:
            free.append(cpu)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "arrays.npz")
        np.savez(path, **arrays)
        with ThreadPoolExecutor(len(free)) as pool:
            found = list(pool.map(run, plan["architectures"]))
    return dict(zip(plan["architectures"], found))


def measure_growth(plan, task, options, say):
    """Time and memory of a training step as the length grows: rows."""
    rows, growth = [], plan["growth"]
    environment = {"KERAS_BACKEND": options["backend"]}
    threads = len(options["cpus"])
    for length in growth["lengths"]:
        say(f"growth: length {length}")
        with ExitStack() as stack:
            children, sizes, peaks, failed = {}, {}, {}, {}
            for name in plan["architectures"]:
                child = stack.enter_context(
                    Child(SYSTEMS, environment, threads)
                )
                try:  # one after another: together they might not fit
                    sizes[name] = child.ask(
                        do="prepare",
                        architecture=name,
                        length=length,
                        task=task,
                        sizes=plan["sizes"],
                        batch=growth["batch_size"],
                    )
                    peaks[name] = child.ask(do="peak")["bytes"]
                    children[name] = child
                except ChildError as error:
                    failed[name] = str(error)
            seconds = take_turns(
                lambda name, held=children: held[name].ask(do="time")[
                    "seconds"
                ],
                children,
                growth,
            )
            rows.append(
                {
                    "length": length,
                    "failed": failed,
                    "systems": {
                        name: {
                            **spread(seconds[name]),
                            **sizes[name],
                            "peak_bytes": peaks[name],
                        }
                        for name in children
                    },
                }
            )
    return rows


def show_accuracy(name, plan, found, console):
    """Prints the table of one task."""
    budget = plan[name]
    table = Table(
        title=f"{NAMES[name]}: length {budget['length']}, {budget['steps']} "
        f"steps of {budget['batch_size']} sequences"
    )
    table.add_column("architecture", no_wrap=True)
    for header in ("accuracy %", "weights", "of them body", "training CPU s"):
        table.add_column(header, justify="right")
    for architecture, entry in found.items():
        if "error" in entry:
            table.add_row(TITLES[architecture], entry["error"])
            continue
        table.add_row(
            TITLES[architecture],
            f"{100 * entry['accuracy']:.1f}",
            f"{entry['parameters']:,}",
            f"{entry['body_parameters']:,}",
            f"{entry['train_seconds']:.0f}",
        )
    console.print(table)


def show_growth(rows, console):
    """Prints time and memory by length."""
    table = Table(title="A training step of one sequence: ms / peak MiB")
    table.add_column("architecture", no_wrap=True)
    for row in rows:
        table.add_column(f"{row['length']}", justify="right")
    for name in dict.fromkeys(n for row in rows for n in row["systems"]):
        cells = []
        for row in rows:
            entry = row["systems"].get(name)
            cells.append("failed")
            if entry:
                peak = entry["peak_bytes"]
                peak = "-" if peak is None else f"{peak / 2**20:.0f}"
                cells[-1] = f"{1000 * entry['median_s']:.3g} / {peak}"
        table.add_row(TITLES[name], *cells)
    console.print(table)


def draw_accuracy(tasks, path):
    """Draws accuracy over seconds of training, and recall by distance."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4), dpi=120, layout="constrained")
    panels = figure.subplots(1, len(tasks) + ("recall" in tasks), squeeze=False)
    panels = panels.ravel()
    for panel, (name, found) in zip(panels, tasks.items()):
        for i, (architecture, entry) in enumerate(found.items()):
            if "error" not in entry:
                panel.plot(
                    entry["train_seconds"],
                    100 * entry["accuracy"],
                    "o",
                    color=f"C{i}",
                    label=f"{TITLES[architecture]}, "
                    f"{entry['body_parameters'] / 1000:.0f} k",
                )
        panel.set(
            xlabel="seconds of training (processor time)",
            ylabel="accuracy, %",
            title=NAMES[name],
        )
        panel.set_xlim(left=0)
        panel.grid(alpha=0.3)
    panels[0].legend(fontsize=7)
    if "recall" in tasks:
        for i, (architecture, entry) in enumerate(tasks["recall"].items()):
            points = entry.get("by_distance")
            if points:
                distance, accuracy, _ = zip(*points)
                panels[-1].plot(
                    distance,
                    [100 * value for value in accuracy],
                    "-o",
                    color=f"C{i}",
                    markersize=4,
                    label=TITLES[architecture],
                )
        panels[-1].set(
            xlabel="tokens from question to answer",
            ylabel="accuracy, %",
            ylim=(0, 105),
            title=f"{NAMES['recall']} by distance",
        )
        if panels[-1].lines:
            panels[-1].legend(fontsize=7)
        panels[-1].grid(alpha=0.3)
    with written_beside(path) as part:
        figure.savefig(part, format="png")


def draw_growth(rows, path):
    """Draws time and peak memory of a step over the length."""
    series = [
        {
            "label": TITLES[name],
            "points": [
                (row["length"], entry["median_s"], entry["peak_bytes"])
                for row in rows
                for entry in [row["systems"].get(name)]
                if entry
            ],
        }
        for name in dict.fromkeys(n for row in rows for n in row["systems"])
    ]
    plot_growth(series, path, "a training step of one sequence")


def chosen_plan(quick=False, architectures=None, scale=1.0):
    """The plan, with what the command line changes in it."""
    plans = json.loads(PLANS.read_text(encoding="utf8"))
    plan = plans["full"]
    if quick:
        for name, changes in plans["quick"].items():
            plan[name].update(changes)
    if architectures:
        plan["architectures"] = list(architectures)
    for task in TASKS:
        plan[task]["steps"] = max(1, round(plan[task]["steps"] * scale))
    return plan


def main(
    data: Annotated[
        Path | None,
        typer.Option(
            envvar="KERAS_SELFATTN_DATA",
            help="Folder that has classification/imdb.tsv.xz.",
        ),
    ] = None,
    backend: Annotated[str, typer.Option(help="Keras backend.")] = "jax",
    architecture: Annotated[
        list[str] | None,
        typer.Option(help="Only this architecture; may be repeated."),
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="Only imdb, recall or growth; may be repeated."),
    ] = None,
    steps_scale: Annotated[
        float, typer.Option(min=0, help="Times as many steps of training.")
    ] = 1.0,
    processors: Annotated[
        int, typer.Option(min=1, help="Trainings at a time; threads of a step.")
    ] = os.cpu_count() or 1,
    seed: Annotated[int, typer.Option(help="Seed of data and weights.")] = 0,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: does it run?")
    ] = False,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep the result here.")
    ] = None,
) -> None:
    """Prints and keeps accuracy, sizes, time and memory, side by side."""
    console = Console(width=None if Console().is_terminal else 120)
    progress = Console(stderr=True)
    parts = part or [*TASKS, "growth"]
    unknown = sorted(set(architecture or ()) - set(TITLES))
    unknown += sorted(set(parts) - {*TASKS, "growth"})
    wrong = f"unknown: {', '.join(unknown)}" if unknown else None
    if not wrong and data is None and "imdb" in parts:
        wrong = "IMDB is read from a folder: give --data"
    if wrong:
        typer.echo(
            f"error: {wrong}. Architectures: {', '.join(TITLES)}; parts: "
            f"{', '.join(TASKS)}, growth.",
            err=True,
        )
        raise typer.Exit(2)
    plan = chosen_plan(quick, architecture, steps_scale)
    options = {
        "backend": backend,
        "seed": seed,
        "cpus": usable_processors(processors),
    }
    started, trained, rows = time.monotonic(), {}, []
    for name in TASKS:
        if name in parts:
            try:
                arrays, task = (
                    imdb_task(data, plan["imdb"], seed)
                    if name == "imdb"
                    else recall_task(plan["recall"], seed)
                )
            except ValueError as error:
                typer.echo(f"error: {error}", err=True)
                raise typer.Exit(2) from None
            trained[name] = train_all(
                name, arrays, task, plan, options, progress.print
            )
            show_accuracy(name, plan, trained[name], console)
    if "growth" in parts:
        task = {"vocabulary_size": 1000, "num_classes": 2, "per_token": False}
        rows = measure_growth(plan, task, options, progress.print)
        show_growth(rows, console)
    if json_out:
        command = ["python benchmarks/compare_architectures.py"]
        command += ["--data $KERAS_SELFATTN_DATA"] * ("imdb" in parts)
        command += [f"--backend {backend}", f"--seed {seed}"]
        command += [f"--architecture {name}" for name in architecture or ()]
        command += [f"--part {name}" for name in part or ()]
        command += [f"--processors {processors}"]
        if steps_scale != 1.0:
            command.append(f"--steps-scale {steps_scale}")
        run = {
            "command": " ".join(command + ["--quick"] * quick),
            "machine": machine(),
            "backend": backend,
            "minutes": (time.monotonic() - started) / 60,
            "plan": plan,
        }
        result = merged(json_out, dict.fromkeys(parts, run), trained, rows)
        write_atomically(json_out, json.dumps(result, indent=1) + "\n")
        if trained:
            path = json_out.with_name(f"{json_out.stem}_accuracy.png")
            draw_accuracy(trained, path)
        if rows:
            path = json_out.with_name(f"{json_out.stem}_length.png")
            draw_growth(rows, path)
    entries = [e for found in trained.values() for e in found.values()]
    entries += [row for row in rows if not row["systems"]]
    if any("error" in e or "failed" in e for e in entries):
        raise typer.Exit(1)


def merged(path, runs, tasks, growth):
    """The result to keep: these parts, and those of `path` not run again.

    Args:
        path: path of a result kept before, or of none.
        runs: dict of a part to how it was run.
        tasks: dict of a task to what `train_all` returned.
        growth: list, what `measure_growth` returned.
    """
    old = {"runs": {}, "tasks": {}, "growth": []}
    if path.is_file():
        old = json.loads(path.read_text(encoding="utf8"))
    return {
        "format": 1,
        "titles": TITLES,
        "runs": {**old["runs"], **runs},
        "tasks": {**old["tasks"], **tasks},
        "growth": growth if "growth" in runs else old["growth"],
    }


def usable_processors(number):
    """The first `number` processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))[:number]
    return list(range(min(number, os.cpu_count() or 1)))


if __name__ == "__main__":
    typer.run(main)
