"""Exports the file of a preset in the zoo anew, from the weights beside it.

    python train/export_preset.py zoo/translation/NAME

For what a new version of the library exports otherwise. `model.tflite` is
replaced (quantised as the old one was, or by --quantize), the reference is
what the new file answers to the old sample, and the folder is sealed again.
The figures in `metrics.json` belong to the old file until `train/evaluate_*.py
--update-metrics` has measured the new one.
"""

from pathlib import Path
from typing import Annotated

import typer
from publish import REFERENCES, ship

from keras_selfattn import zoo
from keras_selfattn.runtime import metadata

# What a reference is the answer to; "text" is an answer where another is there.
ASKED = ("source", "prompt", "question", "truncation", "text")


def export_again(folder, quantize=None):
    """Replaces the file of a preset folder, and seals it.

    Args:
        folder: path of a preset folder that has a reference.
        quantize: "none", "float16" or "dynamic"; default as the old file.

    Returns:
        dict: the reference, by the new file.
    """
    folder = Path(folder)
    task = zoo.load(folder)
    option, _ = REFERENCES[type(task).__name__]
    known = zoo.describe(folder)["reference"]
    sample = next(known[name] for name in ASKED if name in known)
    if option == "sample":
        sample = folder / known["file"]
    if quantize is None:
        quantize = metadata.read(folder / "model.tflite")["quantize"]
    return ship(task, folder, sample, quantize)


def main(
    folder: Path,
    quantize: Annotated[
        str | None, typer.Option(help="none, float16 or dynamic")
    ] = None,
):
    """Exports the file of the preset FOLDER anew."""
    try:
        reference = export_again(folder, quantize)
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    print(f"{folder.name}: {reference}")


if __name__ == "__main__":
    typer.run(main)
