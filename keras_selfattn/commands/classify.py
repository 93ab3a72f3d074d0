"""`keras-selfattn classify`: texts, or lines from stdin, to labels."""

import sys
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    PresetOption,
    ThreadsOption,
    answer_texts,
    model_source,
    silent_native_stderr,
    user_errors,
)


def classify(
    texts: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TEXT",
            help="Texts to classify; without one, lines from stdin.",
        ),
    ] = None,
    preset: PresetOption = "text-classification",
    json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object a line: text, label, score, all scores.",
        ),
    ] = False,
    threads: ThreadsOption = 1,
):
    """Print the label and its score for each TEXT, one line a text.

    Without TEXT, each line of stdin is a text; an empty one has a label, too,
    so that line n of what comes out belongs to line n of what went in.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.text_classifier import Classifier

        classifier = Classifier(model_source(preset), num_threads=threads)
        unknown = 0

        def answer(text):
            nonlocal unknown
            found = classifier.classify(text)
            unknown += not found.known_tokens
            if json:
                return found.json(text)
            return f"{found.label}\t{found.score:.4f}"

        answer_texts(texts, answer, "classified")
        if unknown:
            print(
                f"{unknown} without a word that the model knows: the label "
                "says nothing about them",
                file=sys.stderr,
            )
