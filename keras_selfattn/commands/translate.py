"""`keras-selfattn translate`: texts, or lines from stdin, in a language."""

import json
from typing import Annotated

import typer

from keras_selfattn.commands.terminal import (
    BeamOption,
    PresetOption,
    TextsArgument,
    ThreadsOption,
    WrittenJsonOption,
    answer_texts,
    model_source,
    silent_native_stderr,
    user_errors,
)


def translate(
    texts: TextsArgument = None,
    preset: PresetOption = "translation",
    beam: BeamOption = 1,
    alpha: Annotated[
        float,
        typer.Option(min=0, help="Length penalty of a wider beam; 0: none."),
    ] = 1.0,
    as_json: WrittenJsonOption = False,
    threads: ThreadsOption = 1,
):
    """Print the translation of each TEXT, one line a text.

    Without TEXT, each line of stdin is a text; an empty one stays empty, so
    that line n of what comes out belongs to line n of what went in.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.translator import Translator

        translator = Translator(model_source(preset), num_threads=threads)

        def answer(text):
            found = translator.translate(text, beam=beam, alpha=alpha)
            if as_json:
                return json.dumps({"source": text, **found.to_dict()})
            return found.text

        answer_texts(texts, answer, "translated")
