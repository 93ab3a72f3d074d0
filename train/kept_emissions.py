"""What a recogniser hears in a set of recordings, kept between runs.

Shared by the scripts that search in frames: hearing takes minutes, searching
seconds.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_selfattn.atomic_file import written_beside
from keras_selfattn.preprocessing.audio import (
    read_audio,
    split_at_silence,
)
from keras_selfattn.runtime.transcriber import MAX_PIECE_SECONDS

EmissionsOption = Annotated[
    Path | None, typer.Option(help="Folder that keeps what the preset hears.")
]


def hear(transcriber, examples, change=None, kept: Path | None = None):
    """Returns the log-probabilities of each recording, float32 `(T, V)`.

    Args:
        transcriber: `runtime.Transcriber`.
        examples: list of `SpeechExample`.
        change: None, or a function of samples and the recording's number that
            gives other samples.
        kept: None, or a file: read where it is there, else written.
    """
    if kept is not None and kept.is_file():
        with np.load(kept) as file:
            found = [file[str(n)] for n in range(len(file.files))]
        if len(found) != len(examples):
            raise ValueError(
                f"{kept} has {len(found)} recordings, {len(examples)} are "
                "asked for; remove it."
            )
        return found
    rate, found = transcriber.sampling_rate_hz, []
    for number, example in enumerate(examples):
        samples = read_audio(example.path, rate)
        if change is not None:
            samples = change(samples, number)
        pieces = [
            transcriber.emissions(samples[start:stop])[1]
            for start, stop in split_at_silence(
                samples, rate, MAX_PIECE_SECONDS
            )
        ]
        found.append(np.concatenate(pieces).astype("float32"))
    if kept is not None:
        arrays = {str(number): value for number, value in enumerate(found)}
        with written_beside(kept) as part, open(part, "wb") as file:
            np.savez(file, **arrays)
    return found
