"""What the tests of the device runners share: the model, its golden folder."""

import json
import re
import shutil
import subprocess
import wave
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
RUNNERS = ROOT / "tflite"
GOLDEN = RUNNERS / "golden"
TINY = ROOT / "tests" / "golden" / "tiny_stream"
MODEL = TINY / "model.tflite"
SPEECH = TINY / "sample.wav"
TEXT = "abc ca bab"
OTHER_MODEL = ROOT / "tests" / "golden" / "tiny_asr" / "model.tflite"
SECONDS = 120


def run(command, text=True, seconds=SECONDS, **options):
    """Run a program; return its exit code, stdout and stderr."""
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=text,
        timeout=seconds,
        **options,
    )
    return done.returncode, done.stdout, done.stderr


def golden():
    """Return the facts of the golden folder and its arrays by name."""
    facts = json.loads((GOLDEN / "golden.json").read_text(encoding="utf8"))
    arrays = {
        name: np.fromfile(GOLDEN / spec["file"], f"<{spec['dtype'][0]}4")
        for name, spec in facts["arrays"].items()
    }
    shapes = {name: spec["shape"] for name, spec in facts["arrays"].items()}
    return facts, {n: x.reshape(shapes[n]) for n, x in arrays.items()}


def spoiled_golden(folder, name, spoil):
    """Copy the golden folder, one of its arrays changed by `spoil`."""
    shutil.copytree(GOLDEN, folder)
    values = golden()[1][name]
    path = folder / f"{name}.bin"
    spoil(values.copy()).astype(values.dtype).tofile(path)
    return folder


def largest_difference(output):
    """Return the figure that every runner prints last."""
    found = re.search(r"^largest difference (\S+), allowed", output, re.M)
    assert found, output
    assert "tokens equal, texts equal" in output
    return float(found[1])


def write_wav(path, samples, rate_hz=16000, width=2, channels=1):
    """Write floats in [-1, 1] as a PCM WAV of `width` bytes a sample."""
    top = 2.0 ** (8 * width - 1)
    whole = np.clip(np.round(samples * top), -top, top - 1).astype("int64")
    raw = np.repeat(whole, channels)
    if width == 1:
        raw = raw + 128
    raw = raw.astype("<i8").view("u1").reshape(-1, 8)[:, :width]
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(width)
        file.setframerate(rate_hz)
        file.writeframes(raw.tobytes())
    return path


def speech():
    """Return the samples of the tiny model's sample."""
    with wave.open(str(SPEECH)) as file:
        raw = file.readframes(file.getnframes())
    return np.frombuffer(raw, "<i2").astype("float32") / 32768
