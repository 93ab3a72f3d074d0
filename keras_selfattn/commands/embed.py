"""`keras-selfattn embed`: texts to vectors, or the texts nearest to one."""

import json
from pathlib import Path
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    PresetOption,
    TextsArgument,
    ThreadsOption,
    answer_texts,
    model_source,
    silent_native_stderr,
    user_errors,
)


def embed(
    texts: TextsArgument = None,
    near: Annotated[
        str | None,
        typer.Option(
            metavar="QUERY",
            help="Print the texts that are nearest to this one instead, the "
            "nearest first, with the cosine of the two vectors.",
        ),
    ] = None,
    top: Annotated[
        int, typer.Option(min=1, help="Texts printed with --near.")
    ] = 10,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.npy",
            help="File for the vectors instead: numpy, float32, a row a text.",
        ),
    ] = None,
    preset: PresetOption = "text-embedding",
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object a line: text, and embedding or (with "
            "--near) score.",
        ),
    ] = False,
    threads: ThreadsOption = 1,
):
    """Print a vector for each TEXT, one line a text, or the nearest texts.

    A vector has length 1; texts that mean alike have vectors that are near.
    Its numbers stand apart by blanks. Without TEXT, each line of stdin is a
    text; with --near, empty lines are left out.
    """
    with user_errors(), silent_native_stderr():
        if near is not None and out is not None:
            raise ValueError("--near and --out: choose one of the two.")
        if out is not None and out.suffix != ".npy":
            raise ValueError(f"--out {out}: expected a name that ends in .npy.")
        from keras_selfattn.runtime.mask_filler import MaskFiller

        model = MaskFiller(model_source(preset), num_threads=threads)
        vectors, scored = [], []

        def show(text):
            numbers = [round(float(number), 6) for number in model.embed(text)]
            if as_json:
                return json.dumps({"text": text, "embedding": numbers})
            return " ".join(map(str, numbers))

        def keep(text):
            vectors.append(model.embed(text))

        def score(text):
            if text.strip():
                scored.append((float(model.embed(text) @ query), text))

        if out is not None:
            answer_texts(texts, keep, "embedded")
            _write_vectors(out, vectors)
        elif near is not None:
            query = model.embed(near)
            answer_texts(texts, score, "embedded")
            scored.sort(key=lambda pair: -pair[0])
            for cosine, text in scored[:top]:
                if as_json:
                    line = {"text": text, "score": round(cosine, 6)}
                    print(json.dumps(line))
                else:
                    print(f"{cosine:.4f}\t{text}")
        else:
            answer_texts(texts, show, "embedded")


def _write_vectors(path, vectors):
    """Write float32 `(B, D)`, beside the path and then renamed."""
    import numpy as np

    from keras_selfattn.atomic_file import written_beside

    found = np.stack(vectors) if vectors else np.zeros((0, 0), "float32")
    with written_beside(path) as new, open(new, "wb") as file:
        np.save(file, found)
