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
        query = None if near is None else model.embed(near)
        kept = []  # vectors, or (cosine, text)

        def answer(text):
            if near is not None:
                if text.strip():
                    kept.append((float(model.embed(text) @ query), text))
                return None
            vector = model.embed(text)
            if out is not None:
                kept.append(vector)
                return None
            numbers = [round(float(number), 6) for number in vector]
            if as_json:
                return json.dumps({"text": text, "embedding": numbers})
            return " ".join(map(str, numbers))

        answer_texts(texts, answer, "embedded")
        if out is not None:
            _write_vectors(out, kept)
        if near is not None:
            kept.sort(key=lambda scored: -scored[0])
            for score, text in kept[:top]:
                if as_json:
                    print(json.dumps({"text": text, "score": round(score, 6)}))
                else:
                    print(f"{score:.4f}\t{text}")


def _write_vectors(path, vectors):
    """Write float32 `(B, D)`, beside the path and then renamed."""
    import numpy as np

    from keras_selfattn.atomic_file import written_beside

    found = np.stack(vectors) if vectors else np.zeros((0, 0), "float32")
    with written_beside(path) as new, open(new, "wb") as file:
        np.save(file, found)
