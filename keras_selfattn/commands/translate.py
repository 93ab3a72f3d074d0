"""`keras-selfattn translate`: texts, or lines from stdin, in a language."""

import json
import sys
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    model_source,
    silent_native_stderr,
    stdin_lines,
    user_errors,
)
from keras_selfattn.progress import CountProgress


def translate(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TEXT]",
            help="Texts to translate; without one, lines from stdin.",
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_PATH",
            help="Preset name or alias, preset folder, or .tflite file.",
        ),
    ] = "translation",
    beam: Annotated[
        int, typer.Option(min=1, help="Texts kept while searching; 1: greedy.")
    ] = 1,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object a line: source, text, token_ids, seconds",
        ),
    ] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads the interpreter may use.")
    ] = 1,
):
    """Print the translation of each TEXT, one line a text.

    Without TEXT, each line of stdin is a text; an empty one stays empty, so
    that line n of what comes out belongs to line n of what went in.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.translator import Translator

        translator = Translator(model_source(preset), num_threads=threads)
        given = [(text, 0) for text in texts] if texts else stdin_lines()
        done = wrong = 0
        with CountProgress("texts", len(texts) if texts else None) as progress:
            for text, wrong_bytes in given:
                found = translator.translate(text, beam=beam)
                if as_json:
                    value = {"source": text, **found.to_dict()}
                    print(json.dumps(value), flush=True)
                else:
                    print(found.text, flush=True)
                done += 1
                wrong += bool(wrong_bytes)
                progress.advance()
        if not texts:
            print(f"{done} translated", file=sys.stderr)
        if wrong:
            print(
                f"{wrong} not UTF-8: wrong bytes were read as U+FFFD",
                file=sys.stderr,
            )
