"""`keras-selfattn classify`: texts, or lines from stdin, to labels."""

import sys
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    model_source,
    silent_native_stderr,
    user_errors,
)
from keras_selfattn.preprocessing.text_cleaning import decode_bytes
from keras_selfattn.progress import CountProgress

LONGEST_LINE_BYTES = 16 * 2**20


def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help="Texts to classify; without one, lines from stdin.",
        ),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(
            metavar="NAME_OR_PATH",
            help="Preset name or alias, preset folder, or .tflite file.",
        ),
    ] = "text-classification",
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object a line: text, label, score, all scores.",
        ),
    ] = False,
    threads: Annotated[
        int, typer.Option(min=1, help="Threads the interpreter may use.")
    ] = 1,
):
    """Print the label and its score for each TEXT, one line a text.

    Without TEXT, each line of stdin is a text; an empty one has a label, too,
    so that line n of what comes out belongs to line n of what went in.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.text_classifier import Classifier

        classifier = Classifier(model_source(preset), num_threads=threads)
        given = [(text, 0) for text in texts] if texts else _lines()
        done = unknown = wrong = 0
        with CountProgress("texts", len(texts) if texts else None) as progress:
            for text, wrong_bytes in given:
                found = classifier.classify(text)
                if json:
                    print(found.json(text), flush=True)
                else:
                    print(f"{found.label}\t{found.score:.4f}", flush=True)
                done += 1
                unknown += not found.known_tokens
                wrong += bool(wrong_bytes)
                progress.advance()
        if not texts:
            print(f"{done} classified", file=sys.stderr)
        if wrong:
            print(
                f"{wrong} not UTF-8: wrong bytes were read as U+FFFD",
                file=sys.stderr,
            )
        if unknown:
            print(
                f"{unknown} without a word that the model knows: the label "
                "says nothing about them",
                file=sys.stderr,
            )


def _lines():
    """Yield each line of stdin, and how many of its bytes are not UTF-8."""
    if sys.stdin.isatty():
        print("texts, a line each; end with Ctrl-D:", file=sys.stderr)
    number = 0
    while line := sys.stdin.buffer.readline(LONGEST_LINE_BYTES):
        number += 1
        if len(line) == LONGEST_LINE_BYTES and not line.endswith(b"\n"):
            raise ValueError(
                f"line {number} of stdin is longer than {LONGEST_LINE_BYTES} "
                "bytes; is it text, a line each?"
            )
        yield decode_bytes(line.rstrip(b"\r\n"))
