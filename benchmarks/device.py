"""What a recogniser costs a device, ours beside its peers, on the same files.

    python benchmarks/device.py --data $KERAS_SELFATTN_DATA/speech \
        --preset asr \
        --json benchmarks/results/device.json

Size of the model, start-up, real-time factor, peak memory and word error rate
of our file on whole recordings and chunk by chunk, of Whisper tiny.en in int8
(faster-whisper, its defaults and its fastest setting) and of PocketSphinx; in
one run, each in a process of its own on one thread. What is measured, and how
a peer in another environment is run (`--python`), is said in `asr.py`.
"""

from typing import Annotated

import typer
from asr import (
    COLUMNS,
    TITLES,
    DataOption,
    JsonOption,
    PythonOption,
    SeedOption,
    SetOption,
    StartsOption,
    UtterancesOption,
    compare,
)

SIZE = {"model MB": ("model_bytes", 1e-6, ".1f")}


def main(
    data: DataOption,
    preset: Annotated[
        str, typer.Option(help="Preset or .tflite of ours, which streams.")
    ],
    named: SetOption = "librispeech-mini:dev",
    utterances: UtterancesOption = 30,
    seed: SeedOption = 1,
    python: PythonOption = None,
    starts: StartsOption = 3,
    json_out: JsonOption = None,
) -> None:
    """Prints and keeps size, start-up, speed and memory, side by side."""
    compare(
        "device.py",
        list(TITLES),
        data,
        named,
        utterances,
        seed,
        preset,
        python,
        starts,
        json_out,
        SIZE | COLUMNS,
    )


if __name__ == "__main__":
    typer.run(main)
