"""Word error rate and speed of one Whisper by how much it hears at once.

    python benchmarks/whisper_windows.py --preset asr_whisper_tiny_en \
        --data $KERAS_SELFATTN_DATA/speech --set speechocean762:dev \
        --window 30 --window 10

Each window is exported once, in int8, and all files hear each recording in
turn, on one thread: so what else the machine does costs them alike. Errors are
counted as in `asr.py`, which reads numbers; with `--letters` the files can
write none (`write_only`). Seconds are those of the processor.
"""

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer
from asr import DataOption, count_errors, draw

from keras_selfattn import zoo
from keras_selfattn.metrics.error_rate import ErrorCounts
from keras_selfattn.preprocessing.transcripts import normalize_transcript
from keras_selfattn.preprocessing.whisper_text import LETTERS
from keras_selfattn.runtime.dictation_transcriber import open_transcriber


def measure(systems: dict, examples: list, clock=time.process_time) -> dict:
    """Lets all systems hear each recording in turn.

    Args:
        systems: dict of a name to a transcriber.
        examples: list of `SpeechExample`.
        clock: function that gives seconds.

    Returns:
        dict of a name to its counts of errors, seconds it took, and seconds
        of sound.
    """
    counts = {name: ErrorCounts() for name in systems}
    seconds = dict.fromkeys(systems, 0.0)
    heard_s = 0.0
    for example in examples:
        reference = normalize_transcript(example.text)
        for name, transcriber in systems.items():
            start = clock()
            found = transcriber.transcribe(example.path)
            seconds[name] += clock() - start
            counts[name] += count_errors(reference, found.text)
        heard_s += found.duration_s
    return {name: (counts[name], seconds[name], heard_s) for name in systems}


def main(
    data: DataOption,
    sets: Annotated[list[str], typer.Option("--set", help="CORPUS:SPLIT")],
    windows: Annotated[list[float], typer.Option("--window", help="seconds")],
    preset: Annotated[list[str], typer.Option(help="repeatable")] = (
        "asr_whisper_tiny_en",
    ),
    letters: Annotated[bool, typer.Option(help="write these alone")] = False,
    utterances: Annotated[int, typer.Option(help="drawn of each set")] = 10**6,
    seed: int = 1,
):
    """Prints error rates and speed of the windows on CORPUS:SPLIT sets."""
    with tempfile.TemporaryDirectory() as folder:
        systems = {}
        for named in preset:
            task = zoo.load(named)
            if letters:
                task.write_only(LETTERS)
            for window in windows:
                path = Path(folder) / f"{len(systems)}.tflite"
                shorter = task.with_window(min(window, task.window_seconds))
                shorter.export(path, quantize="dynamic")
                systems[f"{named} {window:g} s"] = open_transcriber(path)
        print("| system | set | words | WER % | processor s / s of sound |")
        print("| --- | --- | ---: | ---: | ---: |")
        for named in sets:
            examples = draw(data, named, utterances, seed)
            found = measure(systems, examples)
            for system, (counts, taken_s, heard_s) in found.items():
                print(
                    f"| {system} | {named} | {counts.reference_length:,} | "
                    f"{100 * counts.rate:.1f} | {taken_s / heard_s:.4f} |",
                    flush=True,
                )


if __name__ == "__main__":
    typer.run(main)
