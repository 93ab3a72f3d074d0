"""`keras-selfattn answer`: what a text-to-text model writes for texts."""

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


def answer(
    texts: TextsArgument = None,
    prefix: Annotated[
        str,
        typer.Option(
            help="What is asked of each text, put before it, such as "
            "'translate English to German: '."
        ),
    ] = "",
    preset: PresetOption = "text-to-text",
    beam: BeamOption = 1,
    keep_sentinels: Annotated[
        bool, typer.Option(help="Keep <extra_id_0> and the like.")
    ] = False,
    as_json: WrittenJsonOption = False,
    threads: ThreadsOption = 1,
):
    """Print what the model writes for each TEXT, one line a text.

    Without TEXT, each line of stdin is a text, so that line n of what comes
    out belongs to line n of what went in.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.text_to_text import TextToText

        model = TextToText(model_source(preset), num_threads=threads)

        def write(text):
            source = prefix + text
            found = model.generate(
                source, beam=beam, keep_sentinels=keep_sentinels
            )
            if as_json:
                return json.dumps({"source": source, **found.to_dict()})
            return found.text

        answer_texts(texts, write, "answered")
