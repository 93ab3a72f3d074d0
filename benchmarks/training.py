"""Times training steps of our encoder beside those of other libraries.

    python benchmarks/training.py --json benchmarks/results/training.json

The same small Transformer encoder, a batch of token ids with padding, and
AdamW with clipped gradients: our `EncoderBlock`s and KerasHub's
`TransformerEncoder`s in Keras's `train_on_batch`, on every backend that is
installed; `torch.nn.TransformerEncoder` in a plain loop; BertModel of
`transformers`, stepped as its Trainer does. Every system is a process of its
own. Those of a backend take turns (A B C D, D C B A, ...), one step each, so
that a machine that is slower for a while is slower for all. Tokens are those
that are not padding; times are medians with quartiles, and a ratio is the
median over turns of our speed to the other's: above 1 ours is faster.
"""

import importlib.util
import json
import os
import shlex
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.measuring import (
    Child,
    machine,
    spread,
    take_turns,
)

SCRIPT = Path(__file__).resolve().parent / "training_systems.py"
BACKENDS = ("torch", "jax", "tensorflow")
SYSTEMS = ("ours", "keras_hub", "torch_encoder", "transformers")
OF_KERAS = ("ours", "keras_hub")
TITLES = {
    "ours": "keras_selfattn EncoderBlock",
    "keras_hub": "KerasHub TransformerEncoder",
    "torch_encoder": "torch.nn.TransformerEncoder, plain loop",
    "transformers": "transformers BertModel, as its Trainer steps",
}
PLAN = {
    "sizes": {
        "vocabulary_size": 8000,
        "hidden_dim": 256,
        "num_heads": 4,
        "intermediate_dim": 1024,
        "layers": 4,
        "num_classes": 16,
    },
    "batch": 8,
    "length": 128,
    "cell_seconds": 40.0,
    "least_turns": 6,
    "most_turns": 60,
}
QUICK = {
    "sizes": {
        "vocabulary_size": 50,
        "hidden_dim": 16,
        "num_heads": 2,
        "intermediate_dim": 32,
        "layers": 1,
        "num_classes": 3,
    },
    "batch": 2,
    "length": 8,
    "cell_seconds": 0.1,
    "least_turns": 2,
    "most_turns": 3,
}


def measure(backend, systems, plan, threads):
    """Speeds of systems, the Keras ones on one backend.

    Returns:
        dict: "backend", "missing" (of a system to why), "systems" (of a system
        to times, parameters and tokens a second) and "faster" (of a peer to
        how many times its speed ours is).
    """
    with ExitStack() as stack:
        children = {
            name: stack.enter_context(
                Child(
                    SCRIPT,
                    {"KERAS_BACKEND": backend if name in OF_KERAS else "torch"},
                    threads,
                )
            )
            for name in systems
        }
        facts, missing = {}, {}
        for name, child in children.items():
            found = child.ask(
                do="prepare",
                system=name,
                sizes=plan["sizes"],
                batch=plan["batch"],
                length=plan["length"],
            )
            if "missing" in found:
                missing[name] = found["missing"]
            else:
                facts[name] = found
        seconds = take_turns(
            lambda name: children[name].ask(do="time")["seconds"], facts, plan
        )
    return {"backend": backend, "missing": missing, **compare(seconds, facts)}


def compare(seconds, facts):
    """Figures of each system, and of ours beside each other.

    Args:
        seconds: dict of a system to its steps' seconds, in turns.
        facts: dict of a system to its "parameters" and "tokens".
    """
    systems = {}
    for name, times in seconds.items():
        found = spread(times)
        systems[name] = {
            **found,
            "parameters": facts[name]["parameters"],
            "tokens_per_second": facts[name]["tokens"] / found["median_s"],
        }
    return {
        "systems": systems,
        "faster": {
            name: statistics.median(
                theirs / ours for ours, theirs in zip(seconds["ours"], times)
            )
            for name, times in seconds.items()
            if name != "ours"
        },
    }


def show(rows, console):
    """Prints the table, and how to install what is missing."""
    table = Table(title="Training steps, side by side")
    for header in ("backend", "system"):
        table.add_column(header)
    for header in ("parameters", "ms a step", "tokens/s", "ours is faster by"):
        table.add_column(header, justify="right")
    for row in rows:
        for name, found in row["systems"].items():
            low, middle, high = (
                1000 * found[key] for key in ("low_s", "median_s", "high_s")
            )
            faster = row["faster"].get(name)
            table.add_row(
                row["backend"] if name in OF_KERAS else "torch",
                TITLES[name],
                f"{found['parameters']:,}",
                f"{middle:.3g} ({low:.3g}-{high:.3g})",
                f"{found['tokens_per_second']:,.0f}",
                f"{faster:.2f}" if faster else "-",
            )
        table.add_section()
    console.print(table)
    for text in sorted({t for row in rows for t in row["missing"].values()}):
        console.print(text)


def main(
    backend: Annotated[
        list[str] | None,
        typer.Option(help="Only this backend; may be repeated."),
    ] = None,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads of a system.")
    ] = os.cpu_count() or 1,
    quick: Annotated[
        bool, typer.Option("--quick", help="Tiny sizes: does it run?")
    ] = False,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep the result here.")
    ] = None,
) -> None:
    """Prints and keeps speeds of training, side by side."""
    console = Console(width=None if Console().is_terminal else 140)
    progress = Console(stderr=True)
    plan = QUICK if quick else PLAN
    chosen = list(backend or BACKENDS)
    if unknown := sorted(set(chosen) - set(BACKENDS)):
        typer.echo(
            f"error: --backend {unknown[0]}: expected one of "
            f"{', '.join(BACKENDS)}.",
            err=True,
        )
        raise typer.Exit(2)
    rows, started = [], time.monotonic()
    for name in chosen:
        if not importlib.util.find_spec(name):
            progress.print(f"{name} is not installed: pip install {name}")
            continue
        progress.print(f"{name}: {plan['batch']} x {plan['length']} tokens")
        rows.append(measure(name, SYSTEMS, plan, threads))
    if not rows:
        typer.echo("error: no backend is installed.", err=True)
        raise typer.Exit(2)
    show(rows, console)
    if json_out:
        options = [f"--backend {shlex.quote(n)}" for n in backend or ()]
        options += ["--threads", str(threads)] + ["--quick"] * quick
        run = {
            "machine": machine(),
            "command": " ".join(["python benchmarks/training.py", *options]),
            "minutes": (time.monotonic() - started) / 60,
            "threads": threads,
            "plan": plan,
        }
        result = {"format": 1, "titles": TITLES, "run": run, "rows": rows}
        write_atomically(json_out, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
