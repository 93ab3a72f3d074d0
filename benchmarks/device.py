"""What a recogniser costs a device, ours beside its peers, on the same files.

    python benchmarks/device.py --data $KERAS_SELFATTN_DATA/speech \
        --preset asr_conformer_small_streaming_en \
        --json benchmarks/results/device.json

Size of the model, start-up, real-time factor, peak memory and word error rate
of our file on whole recordings and chunk by chunk, of Whisper tiny.en in int8
(faster-whisper, its defaults and its fastest setting) and of PocketSphinx; in
one run, each in a process of its own on one thread. What is measured, and how
a peer in another environment is run (`--python`), is said in `asr.py`.
"""

from pathlib import Path
from typing import Annotated

import typer
from asr import (
    COLUMNS,
    TITLES,
    draw,
    keep,
    measure_all,
    model_file,
    parse_pythons,
    show,
)
from rich.console import Console

SIZE = {"model MB": ("model_bytes", 1e-6, ".1f")}


def main(
    data: Annotated[Path, typer.Option(help="Folder of manifest folders.")],
    preset: Annotated[
        str, typer.Option(help="Preset or .tflite of ours, which streams.")
    ],
    named: Annotated[
        str, typer.Option("--set", help="CORPUS:SPLIT to draw from.")
    ] = "librispeech-mini:dev",
    utterances: Annotated[
        int, typer.Option(min=1, help="How many to draw.")
    ] = 30,
    seed: Annotated[int, typer.Option(help="Seed of the draw.")] = 1,
    python: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[SYSTEM=]PATH",
            help="Python that runs the peers, or one of them.",
        ),
    ] = None,
    starts: Annotated[
        int, typer.Option(min=1, help="Starts that are timed.")
    ] = 3,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep the result here.")
    ] = None,
) -> None:
    """Prints and keeps size, start-up, speed and memory, side by side."""
    # Wide, so that a log file keeps a row on a line.
    console = Console(width=None if Console().is_terminal else 120)
    try:
        pythons = parse_pythons(python or [])
        model = model_file(preset)
        examples = draw(data, named, utterances, seed)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    systems = measure_all(list(TITLES), pythons, examples, str(model), starts)
    show(systems, console, SIZE | COLUMNS)
    if json_out:
        options = ["--set", named, "--utterances", str(utterances)]
        options += ["--seed", str(seed), "--preset", preset]
        keep(json_out, "device.py", options, data, examples, systems)
    if not any("summary" in entry for entry in systems.values()):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
