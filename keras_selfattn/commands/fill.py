"""`keras-selfattn fill`: the likeliest words for the masks of texts."""

import json
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


def fill(
    texts: TextsArgument = None,
    top: Annotated[
        int, typer.Option(min=1, help="Words for each mask; at most 10.")
    ] = 5,
    preset: PresetOption = "masked-lm",
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a JSON object a line: text, and for each mask a list "
            "of token, score and the text with it.",
        ),
    ] = False,
    threads: ThreadsOption = 1,
):
    """Print the likeliest words for each mask of each TEXT, one line a text.

    A mask is written [MASK], for a RoBERTa <mask>. A word stands with its
    probability; several masks, each filled by itself, stand apart by " | ".
    Without TEXT, each line of stdin is a text.
    """
    with user_errors(), silent_native_stderr():
        from keras_selfattn.runtime.mask_filler import MaskFiller

        model = MaskFiller(model_source(preset), num_threads=threads)

        def answer(text):
            found = model.fill_mask(text, top)
            masks = found if isinstance(found[0], list) else [found]
            if as_json:
                shown = [
                    [
                        {
                            "token": best.token,
                            "score": round(best.score, 6),
                            "text": best.text,
                        }
                        for best in mask
                    ]
                    for mask in masks
                ]
                return json.dumps({"text": text, "masks": shown})
            return " | ".join(
                "\t".join(f"{best.token} {best.score:.4f}" for best in mask)
                for mask in masks
            )

        answer_texts(texts, answer, "filled in")
