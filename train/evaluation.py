"""Command line, progress, errors and table of the `evaluate_*.py` scripts.

What they measure is their own; which file it is, and what metrics.json keeps
of it, is `preset_metrics.py`.
"""

import contextlib
import functools
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

MODEL = "model.tflite"
SetOptions = Annotated[
    list[str], typer.Option("--set", help="CORPUS:SPLIT; repeatable.")
]
PresetOption = Annotated[
    str, typer.Option(help="Preset name, folder or .tflite.")
]
FileOption = Annotated[
    str, typer.Option(help="Which .tflite of the preset folder.")
]
LimitOption = Annotated[
    int | None, typer.Option(min=1, help="Only the first N of each set.")
]
DataOption = Annotated[Path, typer.Option(help="Folder of manifest folders.")]
KeepOption = Annotated[
    bool, typer.Option("--update", help="Write the kept result.")
]
UpdateOption = Annotated[
    bool, typer.Option("--update-metrics", help="Enter into metrics.json.")
]


def command_line(
    script: str, data: str, preset: str, sets, file: str, option: str = "--data"
) -> str:
    """Returns the command that prints these figures, on any machine.

    Args:
        script: path of the script from the root of the checkout.
        data: the data folder, with a variable where the machine comes in.
        preset: as it was given.
        sets: list of str, those that were measured.
        file: name of the measured file in the preset folder.
        option: what `data` is given as.
    """
    words = ["--preset", preset]
    if file != MODEL:
        words += ["--file", file]
    words += [word for named in sets for word in ("--set", named)]
    return f"python {script} {option} {data} {shlex.join(words)}"


@contextlib.contextmanager
def user_errors():
    """Turns what a user can cause into one line on stderr and status 2."""
    try:
        yield
    except (ValueError, ImportError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None


def measure_all(examples: dict[str, list], measure) -> dict[str, dict]:
    """Measures each set, with a bar on stderr while it runs.

    Args:
        examples: name of a set to its examples.
        measure: function of a set's name, its examples and `advance`, which
            it calls after each example, or with a number of them; gives a
            dict.

    Returns:
        name of a set to what `measure` gave.
    """
    results = {}
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        for named, found in examples.items():
            bar = progress.add_task(named, total=len(found))
            results[named] = measure(
                named, found, functools.partial(progress.advance, bar)
            )
    return results


def wide_console() -> Console:
    """A console for stdout; wide, so that a log file keeps a row on a line."""
    return Console(width=None if Console().is_terminal else 120)


def show(results: dict[str, dict], title: str, columns, console) -> None:
    """Prints a table with a row a set.

    Args:
        results: name of a set to its figures.
        title: of the table.
        columns: header to a function of a set's figures that gives the cell,
            or None; a column without a cell is left out.
        console: where it is printed.
    """
    table = Table(title=title)
    table.add_column("set")
    rows = {named: [named] for named in results}
    for header, cell in columns.items():
        cells = {named: cell(result) for named, result in results.items()}
        if any(found is not None for found in cells.values()):
            table.add_column(header, justify="right")
            for named, row in rows.items():
                row.append(cells[named])
    for row in rows.values():
        table.add_row(*row)
    console.print(table)
