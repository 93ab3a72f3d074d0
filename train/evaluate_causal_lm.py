"""Measures a language model's file, as a device runs it, on held-out text.

    python train/evaluate_causal_lm.py --preset text-generation \
        --text $KERAS_SELFATTN_DATA/lm/tinyshakespeare.txt.xz

The last `--share` of the text, by position, is scored. `loss` is what nanoGPT
calls the validation loss, in nats a token, but over all of that part: windows
one behind the other, each read from nothing, every token scored once (a file
scores one token less than it reads: 63 of 64). `sliding_loss` gives each token
at least half a window before it. `--update-metrics` enters the figures, with
the file's sha256 and this command, into the preset's metrics.json.
"""

import math
from pathlib import Path
from typing import Annotated

import typer
from evaluation import (
    MODEL,
    FileOption,
    PresetOption,
    UpdateOption,
    command_line,
    user_errors,
)
from ngram_lm import read_lines
from preset_metrics import check_update, find_source, update_metrics

from keras_selfattn.runtime import TextGenerator
from keras_selfattn.runtime.preset_folder import sha256

SCRIPT = "train/evaluate_causal_lm.py"
DATA = "$KERAS_SELFATTN_DATA/lm"


def windows_loss(generator, ids):
    """Nats a token of windows that are read from nothing.

    Args:
        generator: `TextGenerator`.
        ids: list of int, the text.
    """
    most = generator.metadata["max_sequence_length"]
    total = sum(
        float(generator.score_ids(ids[first : first + most]).sum())
        for first in range(0, len(ids) - 1, most - 1)
    )
    return -total / (len(ids) - 1)


def measure(generator, text):
    """Figures of one text, a dict."""
    ids = generator.text_ids(text)
    loss = windows_loss(generator, ids)
    sliding = -generator.score_ids(ids).astype("float64").mean()
    bits = loss * (len(ids) - 1) / len(text) / math.log(2)
    return {
        "tokens": len(ids) - 1,
        "loss": round(float(loss), 4),
        "bits_a_character": round(float(bits), 4),
        "sliding_loss": round(float(sliding), 4),
    }


def main(
    text: Annotated[Path, typer.Option(help="FILE; plain, .xz or .gz.")],
    preset: PresetOption = "text-generation",
    file: FileOption = MODEL,
    share: Annotated[float, typer.Option(min=0, max=1)] = 0.1,
    update: UpdateOption = False,
) -> None:
    """Prints the loss of a language model on held-out text."""
    with user_errors():
        source = find_source(preset, file)
        check_update(update, None, source)
        whole = "".join(read_lines(text))
        held_out = whole[int(len(whole) * (1 - share)) :]
        found = measure(TextGenerator(source.file), held_out)
        typer.echo(f"{text.name}, last {share:.0%}: {found}")
        if update:
            named = f"{DATA}/{text.name}"
            command = command_line(SCRIPT, named, preset, (), file, "--text")
            entry = {
                "dataset": text.name.split(".")[0],
                "split": f"last {share:.0%}",
                **found,
                "file": file,
                "file_sha256": sha256(source.file),
                "command": command,
            }
            typer.echo(f"wrote {update_metrics(source.folder, [entry])}")


if __name__ == "__main__":
    typer.run(main)
