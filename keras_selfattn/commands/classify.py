"""`keras-selfattn classify`: texts, or lines from stdin, to labels."""

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
        given = [(text, 0) for text in texts] if texts else stdin_lines()
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
