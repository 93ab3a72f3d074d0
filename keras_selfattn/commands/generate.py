"""`keras-selfattn generate`: images of classes, to PNG files."""

import re
import secrets
import sys
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    PresetOption,
    ThreadsOption,
    model_source,
    silent_native_stderr,
    user_errors,
)

RANGE = re.compile(r"(\d+)-(\d+)")


def generate(
    label: Annotated[
        list[str],
        typer.Option(
            metavar="CLASS",
            help="What to draw: a class's name, or numbers as 0-9; repeatable.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="PNG",
            help="File, with a row a class; or a folder, for a file an image.",
        ),
    ],
    count: Annotated[int, typer.Option(min=1, help="Images a class.")] = 1,
    truncation: Annotated[
        float | None,
        typer.Option(help="Above 0. Small: typical images; large: any.  [2]"),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, help="The same gives the same images."),
    ] = None,
    scale: Annotated[
        int, typer.Option(min=1, help="Enlarge each pixel to so many.")
    ] = 1,
    preset: PresetOption = "image-generation",
    threads: ThreadsOption = 1,
):
    """Draw images of each CLASS with an image generator.

    The seed is printed, so that the same images can be drawn again.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.image_generator import ImageGenerator
        from keras_selfattn.runtime.png import image_grid, write_png

        into_folder = out.is_dir()
        if not into_folder and out.suffix.lower() != ".png":
            raise ValueError(
                f"--out {out}: expected a name that ends with .png, or a "
                "folder that exists."
            )
        if not out.parent.is_dir():
            raise ValueError(f"--out {out}: {out.parent}: no such folder.")
        generator = ImageGenerator(model_source(preset), num_threads=threads)
        names = [
            name for asked in label for name in expand(asked, generator.labels)
        ]
        seed = secrets.randbelow(2**31) if seed is None else seed
        wanted = [name for name in names for _ in range(count)]
        options = {} if truncation is None else {"truncation": truncation}
        images = generator.generate(wanted, seed=seed, **options)
        if into_folder:
            for place, image in enumerate(images):
                name = re.sub(r"[^\w-]", "_", wanted[place])
                path = out / f"{name}_{seed}_{place}.png"
                write_png(path, image_grid(image[None], 1, scale))
                print(path)
        else:
            write_png(out, image_grid(images, count, scale))
            print(out)
        print(f"{len(images)} images, --seed {seed}", file=sys.stderr)


def expand(asked, labels):
    """Return the classes that an option names: one, or `FIRST-LAST`.

    Args:
        asked: str, a class's name; or two whose names are numbers.
        labels: list of str, those of the model; a name that is there is meant
            as it stands.
    """
    found = RANGE.fullmatch(asked)
    if asked in labels or not found:
        return [asked]
    first, last = (int(number) for number in found.groups())
    if first > last:
        raise ValueError(f"--label {asked}: {first} comes after {last}.")
    if last - first >= len(labels):
        raise ValueError(
            f"--label {asked} names {last - first + 1} classes; this model "
            f"has {len(labels)}."
        )
    return [str(number) for number in range(first, last + 1)]
