"""Feeds hours of speech to a stream and watches the memory of the process.

    python benchmarks/stream_memory.py --data $KERAS_SELFATTN_DATA/speech \
        --preset asr --hours 2 \
        --json benchmarks/results/stream_memory.json

Recordings of a set follow one another in a drawn order, with drawn pauses,
chunk by chunk, as a microphone would give them; segments are taken when they
have ended, and heard again in full context unless `--one-pass` is given. After
each minute of audio the resident memory is read; segments of other lengths need
other buffers, so it goes up and down. It is flat where, after
`--warm-up-minutes`, the median of the last quarter of the readings is at most
`--most-mib` above that of the first; if not, the exit code is 1.
"""

import json
import os
import platform
import shlex
import statistics
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from asr import BenchmarkError, draw, model_file, processor
from rich.console import Console

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.preprocessing.audio import read_audio
from keras_selfattn.runtime import StreamingTranscriber

PAUSE_SECONDS = (0.2, 2.5)


def resident_bytes() -> int:
    """The memory that this process has in RAM now (Linux)."""
    try:
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    except OSError:
        raise BenchmarkError(
            f"resident memory cannot be read on {platform.system()}; run it "
            "on Linux."
        ) from None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def speech(recordings: list, rate_hz: int, seed: int):
    """Yields recordings and pauses without end, the same for the same seed.

    Args:
        recordings: list of float32 arrays.
        rate_hz: int, their sampling rate.
        seed: int.
    """
    generator = np.random.default_rng(seed)
    while True:
        for i in generator.permutation(len(recordings)):
            yield recordings[i]
            seconds = generator.uniform(*PAUSE_SECONDS)
            yield np.zeros(int(seconds * rate_hz), "float32")


def growth(readings: list[int]) -> int:
    """Median of the last quarter of readings minus that of the first."""
    quarter = -(-len(readings) // 4)
    first, last = readings[:quarter], readings[-quarter:]
    return int(statistics.median(last) - statistics.median(first))


def watch(stream, pieces, minutes: int, say=lambda minute, bytes_: None):
    """Feeds `minutes` of audio and reads the memory after each.

    Args:
        stream: StreamingTranscriber.
        pieces: iterator of float32 arrays, endless.
        minutes: int >= 1.
        say: function of a minute's number and of the bytes after it.

    Returns:
        dict: resident_bytes (list, one a minute), segments, words,
        compute_s, the most seconds that one chunk took.
    """
    size = stream.chunk_samples
    chunk_s = size / stream.sampling_rate_hz
    readings, segments, words = [], 0, 0
    compute_s = longest_s = fed_s = 0.0
    waiting = np.zeros(0, "float32")
    while len(readings) < minutes:
        while len(waiting) < size:
            waiting = np.concatenate([waiting, next(pieces)])
        chunk, waiting = waiting[:size], waiting[size:]
        begun = time.perf_counter()
        stream.feed(chunk)
        taken = stream.take_segments()
        spent_s = time.perf_counter() - begun
        compute_s += spent_s
        longest_s = max(longest_s, spent_s)
        fed_s += chunk_s
        segments += len(taken)
        words += sum(len(segment.words) for segment in taken)
        if fed_s >= 60 * (len(readings) + 1):
            readings.append(resident_bytes())
            say(len(readings), readings[-1])
    return {
        "audio_s": fed_s,
        "resident_bytes": readings,
        "segments": segments,
        "words": words,
        "real_time_factor": compute_s / fed_s,
        "longest_chunk_ms": 1000 * longest_s,
    }


def main(
    data: Annotated[Path, typer.Option(help="Folder of manifest folders.")],
    preset: Annotated[str, typer.Option(help="Preset or .tflite, streaming.")],
    named: Annotated[
        str, typer.Option("--set", help="CORPUS:SPLIT to draw from.")
    ] = "librispeech-mini:dev",
    hours: Annotated[float, typer.Option(min=0.05)] = 2.0,
    one_pass: Annotated[bool, typer.Option("--one-pass")] = False,
    warm_up_minutes: Annotated[
        int, typer.Option(min=1, help="Not counted as growth.")
    ] = 5,
    most_mib: Annotated[
        float, typer.Option(help="Growth that still counts as flat.")
    ] = 4.0,
    seed: int = 1,
    json_out: Annotated[
        Path | None, typer.Option("--json", help="Keep the result here.")
    ] = None,
) -> None:
    """Prints how the memory of a process grows while it hears for hours."""
    console, notes = Console(), Console(stderr=True)
    minutes = round(60 * hours)
    try:
        if minutes <= warm_up_minutes:
            raise BenchmarkError(
                f"--hours {hours} is not longer than --warm-up-minutes "
                f"{warm_up_minutes}."
            )
        model = model_file(preset)
        examples = draw(data, named, 1 << 30, seed)
        stream = StreamingTranscriber(model, second_pass=not one_pass)
        rate_hz = stream.sampling_rate_hz
        recordings = [read_audio(e.path, rate_hz) for e in examples]
        resident_bytes()
    except ValueError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    with notes.status("hearing") as status:
        found = watch(
            stream,
            speech(recordings, rate_hz, seed),
            minutes,
            lambda minute, size: status.update(
                f"minute {minute} of {minutes}: {size / 2**20:.1f} MiB"
            ),
        )
    readings = found["resident_bytes"]
    found["growth_bytes"] = growth(readings[warm_up_minutes:])
    found["peak_bytes"] = max(readings)
    grown_mib = found["growth_bytes"] / 2**20
    console.print(
        f"{found['audio_s'] / 3600:.2f} h of audio, {found['segments']:,} "
        f"segments, {found['words']:,} words; "
        f"{readings[warm_up_minutes] / 2**20:.1f} MiB after "
        f"{warm_up_minutes + 1} minutes, {readings[-1] / 2**20:.1f} MiB at the "
        f"end (growth {grown_mib:+.2f} MiB), real-time factor "
        f"{found['real_time_factor']:.4f}"
    )
    if json_out:
        options = ["--preset", preset, "--set", named, "--hours", str(hours)]
        options += ["--one-pass"] * one_pass + ["--seed", str(seed)]
        options += ["--warm-up-minutes", str(warm_up_minutes)]
        result = {
            "format": 1,
            "machine": processor(),
            "command": "python benchmarks/stream_memory.py --data "
            "$KERAS_SELFATTN_DATA/speech " + shlex.join(options),
            "second_pass": not one_pass,
            "warm_up_minutes": warm_up_minutes,
            **found,
        }
        text = json.dumps(result, indent=1) + "\n"
        write_atomically(json_out, text)
    if grown_mib > most_mib:
        console.print(f"Not flat: more than {most_mib} MiB.")
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
