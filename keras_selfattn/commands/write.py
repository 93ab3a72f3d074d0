"""`keras-selfattn write`: a language model goes on with a text."""

import json
import secrets
import sys
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    PresetOption,
    ThreadsOption,
    model_source,
    silent_native_stderr,
    user_errors,
)


def write(
    text: Annotated[
        str, typer.Argument(metavar="TEXT", help="What stands before.")
    ],
    tokens: Annotated[int, typer.Option(min=1, help="Most tokens.")] = 200,
    search: Annotated[
        str, typer.Option(help="sample, greedy, beam or contrastive.")
    ] = "sample",
    temperature: Annotated[
        float, typer.Option(help="Of sample. Low: likely; high: any.")
    ] = 1.0,
    top_k: Annotated[
        int | None,
        typer.Option(min=1, help="Tokens to draw from, or to choose from."),
    ] = None,
    top_p: Annotated[
        float, typer.Option(help="Draw from the likeliest of this share.")
    ] = 1.0,
    seed: Annotated[
        int | None, typer.Option(min=0, help="The same writes the same.")
    ] = None,
    preset: PresetOption = "text-generation",
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object: prompt, text, token_ids, seconds, seed.",
        ),
    ] = False,
    threads: ThreadsOption = 1,
):
    """Print TEXT and what a language model writes behind it.

    The seed is printed on stderr, so that the same can be written again.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.text_generator import TextGenerator

        generator = TextGenerator(model_source(preset), num_threads=threads)
        drawn = search == "sample" and seed is None
        seed = secrets.randbelow(2**31) if drawn else seed or 0
        found = generator.generate(
            text,
            tokens,
            search=search,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
        if as_json:
            print(json.dumps({"prompt": text, **found.to_dict(), "seed": seed}))
        else:
            print(text + found.text)
        if drawn:
            print(f"--seed {seed}", file=sys.stderr)
