"""Times our attention beside Keras's and KerasHub's, and local beside full.

    python benchmarks/attention.py --json benchmarks/results/attention.json

Two parts, both on every backend that is installed:

- peers: forward, and forward with backward, of `MultiHeadSelfAttention`
  against `keras.layers.MultiHeadAttention`, and of `EncoderBlock` against
  KerasHub's `TransformerEncoder`, at several lengths of a fixed number of
  tokens, without a mask and with padding. All systems of a backend live in
  one process.
- length: `LocalSelfAttention` against full attention, over all and under the
  window's mask (on torch, whose fused kernel makes no scores, also without
  that kernel), one sequence of growing length; every system in a process of
  its own, which also gives its peak memory.

The systems take turns (A B, B A, A B, ...), one step each, until a cell's
seconds are spent. Times are medians with quartiles; ratios are medians of the
ratios within a turn. Memory is what a system's first step needs at most beyond
what the process had before it; the allocator is the C library's where the
backend has none of its own. The picture of the second part is drawn beside the
JSON; a part that is not run again stays in it as it is.
"""

import importlib.util
import json
import math
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
    ChildError,
    machine,
    spread,
    take_turns,
)
from keras_selfattn.plots.growth import plot_growth

SYSTEMS = Path(__file__).resolve().parent / "attention_systems.py"
BACKENDS = ("torch", "jax", "tensorflow")
DIRECTIONS = ("forward", "both")
PEERS = ("ours", "keras", "our_block", "hub_block")
AGAINST = {"ours": "keras", "our_block": "hub_block"}
LONG = ("local", "full", "full_masked", "full_plain")
TITLES = {
    "ours": "MultiHeadSelfAttention",
    "keras": "keras MultiHeadAttention",
    "our_block": "EncoderBlock",
    "hub_block": "KerasHub TransformerEncoder",
    "local": "LocalSelfAttention",
    "full": "full attention",
    "full_masked": "full attention, window's mask",
    "full_plain": "full attention, without the kernel",
}
PLAN = {
    "sizes": {
        "hidden_dim": 256,
        "num_heads": 4,
        "intermediate_dim": 1024,
        "window": 64,
    },
    "tokens": 2048,
    "peer_lengths": [128, 512, 2048],
    "long_lengths": [1024, 2048, 4096, 8192],
    "cell_seconds": 7.0,
    "least_turns": 5,
    "most_turns": 40,
}
QUICK = {
    "sizes": {
        "hidden_dim": 16,
        "num_heads": 2,
        "intermediate_dim": 32,
        "window": 4,
    },
    "tokens": 64,
    "peer_lengths": [16, 32],
    "long_lengths": [64],
    "cell_seconds": 0.1,
    "least_turns": 2,
    "most_turns": 3,
}


def ratio(ours, theirs):
    """Median over turns of our seconds to theirs."""
    return statistics.median(a / b for a, b in zip(ours, theirs))


def measure_peers(backend, plan, threads, say):
    """Rows of the first part for one backend."""
    rows = []
    with Child(SYSTEMS, {"KERAS_BACKEND": backend}, threads) as child:
        for length in plan["peer_lengths"]:
            batch = max(1, plan["tokens"] // length)
            for padded in (False, True):
                say(f"{backend}: length {length}, {batch} rows")
                missing = child.ask(
                    do="prepare",
                    systems=PEERS,
                    length=length,
                    batch=batch,
                    padded=padded,
                    sizes=plan["sizes"],
                )["missing"]
                systems = [name for name in PEERS if name not in missing]
                for direction in DIRECTIONS:
                    row = measure_cell(child, systems, direction, plan)
                    rows.append(
                        {
                            "backend": backend,
                            "length": length,
                            "batch": batch,
                            "padded": padded,
                            "direction": direction,
                            "missing": missing,
                            **row,
                        }
                    )
    return rows


def measure_cell(child, systems, direction, plan):
    """Times and ratios of the systems in one child, for one direction."""

    def run(name):
        reply = child.ask(do="time", system=name, direction=direction)
        return reply["seconds"]

    for name in systems:  # the first step of a system does more than others
        run(name)
    seconds = take_turns(run, systems, plan)
    return {
        "systems": {name: spread(seconds[name]) for name in systems},
        "ratios": {
            name: ratio(seconds[name], seconds[peer])
            for name, peer in AGAINST.items()
            if name in seconds and peer in seconds
        },
    }


def measure_long(backend, plan, threads, say):
    """Rows of the second part for one backend."""
    rows = []
    for length in plan["long_lengths"]:
        say(f"{backend}: local and full attention, length {length}")
        with ExitStack() as stack:
            children = {
                name: stack.enter_context(
                    Child(SYSTEMS, {"KERAS_BACKEND": backend}, threads)
                )
                for name in LONG
                # Elsewhere the scores are made anyhow.
                if name != "full_plain" or backend == "torch"
            }
            peaks, failed = measure_peaks(children, length, plan["sizes"])
            for direction in DIRECTIONS:
                timed = {name: children[name] for name in peaks}
                row = time_long(timed, direction, plan)
                for name, entry in row["systems"].items():
                    entry["peak_bytes"] = peaks[name]
                rows.append(
                    {
                        "backend": backend,
                        "length": length,
                        "direction": direction,
                        "missing": failed,
                        **row,
                    }
                )
    return rows


def measure_peaks(children, length, sizes):
    """Builds each child's system; returns peak bytes, and what failed."""
    for name, child in children.items():  # they load while others load
        child.send(
            do="prepare",
            systems=[name],
            length=length,
            batch=1,
            padded=False,
            sizes=sizes,
        )
    peaks, failed = {}, {}
    for name, child in children.items():
        try:
            child.receive()
        except ChildError as error:
            failed[name] = str(error)
    for name, child in children.items():
        if name not in failed:
            try:
                reply = child.ask(do="peak", system=name, direction="both")
                peaks[name] = reply["bytes"]
            except ChildError as error:
                failed[name] = str(error)
    return peaks, failed


def time_long(children, direction, plan):
    """Times of the children's systems, and how many times as long as ours."""

    def run(name):
        reply = children[name].ask(do="time", system=name, direction=direction)
        return reply["seconds"]

    for name in children:
        run(name)
    seconds = take_turns(run, list(children), plan)
    return {
        "systems": {name: spread(seconds[name]) for name in children},
        "times_local": {
            name: ratio(seconds[name], seconds["local"])
            for name in children
            if "local" in children
        },
    }


def growth(rows, backend, system, key):
    """Exponent of the growth with the length: 1 linear, 2 quadratic.

    The slope between the first and the last length, on logarithmic scales;
    None where one of them was not measured.
    """
    points = {
        row["length"]: row["systems"][system][key]
        for row in rows
        if row["backend"] == backend
        and row["direction"] == "both"
        and row["systems"].get(system, {}).get(key)
    }
    if len(points) < 2:
        return None
    low, high = min(points), max(points)
    return math.log(points[high] / points[low]) / math.log(high / low)


def growths(rows):
    """All exponents: backend, system, of time and of memory."""
    return [
        {
            "backend": backend,
            "system": system,
            "time": growth(rows, backend, system, "median_s"),
            "memory": growth(rows, backend, system, "peak_bytes"),
        }
        for backend in dict.fromkeys(row["backend"] for row in rows)
        for system in LONG
        if any(
            system in row["systems"]
            for row in rows
            if row["backend"] == backend
        )
    ]


def milliseconds(entry):
    """Median and quartiles as text."""
    low, middle, high = (
        1000 * entry[key] for key in ("low_s", "median_s", "high_s")
    )
    return f"{middle:.3g} ({low:.3g}-{high:.3g})"


def show_peers(rows, console):
    """Prints the first part."""
    table = Table(title="Milliseconds a step: median (quartiles)")
    for header in ("backend", "length", "padding", "pass", "system"):
        table.add_column(header)
    for header in ("ours, ms", "peer, ms", "ours / peer"):
        table.add_column(header, justify="right")
    for row in rows:
        for name, peer in AGAINST.items():
            found = row["systems"].get(peer)
            table.add_row(
                row["backend"],
                str(row["length"]),
                "yes" if row["padded"] else "no",
                row["direction"],
                TITLES[peer],
                milliseconds(row["systems"][name]),
                milliseconds(found) if found else "not installed",
                f"{row['ratios'][name]:.2f}" if found else "-",
            )
    console.print(table)
    for text in {t for row in rows for t in row["missing"].values()}:
        console.print(text)


def show_long(rows, console):
    """Prints the second part."""
    table = Table(title="One sequence: local attention beside full")
    for header in ("backend", "length", "pass", "system"):
        table.add_column(header)
    for header in ("ms", "times local", "peak MiB", "times local"):
        table.add_column(header, justify="right")
    for row in rows:
        local = row["systems"].get("local", {}).get("peak_bytes")
        for name, entry in row["systems"].items():
            peak = entry["peak_bytes"]
            table.add_row(
                row["backend"],
                str(row["length"]),
                row["direction"],
                TITLES[name],
                milliseconds(entry),
                f"{row['times_local'].get(name, math.nan):.1f}",
                "-" if peak is None else f"{peak / 2**20:.1f}",
                f"{peak / local:.1f}" if peak and local else "-",
            )
    console.print(table)
    for entry in growths(rows):
        if entry["time"] is not None and entry["memory"] is not None:
            console.print(
                f"{entry['backend']}, {TITLES[entry['system']]}: time grows "
                f"with length^{entry['time']:.2f}, memory with "
                f"length^{entry['memory']:.2f}"
            )


def draw_long(rows, path):
    """Draws time and memory of the second part over the length."""
    backends = list(dict.fromkeys(row["backend"] for row in rows))
    series = []
    for color, backend in enumerate(backends):
        for style, name in enumerate(LONG):
            points = [
                (row["length"], entry["median_s"], entry["peak_bytes"])
                for row in rows
                if row["backend"] == backend and row["direction"] == "both"
                for entry in [row["systems"].get(name)]
                if entry
            ]
            label = f"{backend}: {TITLES[name]}"
            line = {"label": label, "color": color, "style": style}
            series += [{**line, "points": points}] if points else []
    plot_growth(series, path, "forward and backward, one sequence")


def merged(path, runs):
    """What was kept before, with these parts' runs in the place of theirs."""
    old = {"runs": {}, "peers": [], "long": [], "growth": []}
    if path.is_file():
        old = json.loads(path.read_text(encoding="utf8"))
    return {
        **old,
        "format": 1,
        "titles": TITLES,
        "runs": {**old["runs"], **runs},
    }


def main(
    backend: Annotated[
        list[str] | None,
        typer.Option(help="Only this backend; may be repeated."),
    ] = None,
    part: Annotated[str, typer.Option(help="peers, length or both.")] = "both",
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
    """Prints and keeps times, ratios and memory, side by side."""
    console = Console(width=None if Console().is_terminal else 140)
    progress = Console(stderr=True)
    plan = QUICK if quick else PLAN
    chosen = list(backend or BACKENDS)
    unknown = sorted(set(chosen) - set(BACKENDS))
    if unknown or part not in ("peers", "length", "both"):
        wrong = f"--backend {unknown[0]}" if unknown else f"--part {part}"
        typer.echo(
            f"error: {wrong}: expected a backend of {', '.join(BACKENDS)} and "
            "a part of peers, length, both.",
            err=True,
        )
        raise typer.Exit(2)
    absent = [name for name in chosen if not importlib.util.find_spec(name)]
    chosen = [name for name in chosen if name not in absent]
    for name in absent:
        progress.print(f"{name} is not installed: pip install {name}")
    peers, long = [], []
    started = time.monotonic()
    for name in chosen:
        if part != "length":
            peers += measure_peers(name, plan, threads, progress.print)
        if part != "peers":
            long += measure_long(name, plan, threads, progress.print)
    if peers:
        show_peers(peers, console)
    if long:
        show_long(long, console)
    if json_out:
        options = [f"--backend {shlex.quote(n)}" for n in backend or ()]
        options += [] if part == "both" else ["--part", part]
        options += ["--threads", str(threads)] + ["--quick"] * quick
        run = {
            "machine": machine(),
            "command": " ".join(["python benchmarks/attention.py", *options]),
            "minutes": (time.monotonic() - started) / 60,
            "threads": threads,
            "plan": plan,
        }
        found = {"peers": peers} if part != "length" else {}
        if part != "peers":
            found |= {"long": long, "growth": growths(long)}
        runs = {"peers": run, "length": run}
        result = merged(json_out, runs if part == "both" else {part: run})
        text = json.dumps({**result, **found}, indent=1) + "\n"
        write_atomically(json_out, text)
        if long:
            draw_long(long, json_out.with_name(f"{json_out.stem}_length.png"))
    if not peers and not long:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
