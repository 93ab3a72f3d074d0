"""Which features a small recogniser of digits hears best by.

    python benchmarks/keyword_front_ends.py --data $KERAS_SELFATTN_DATA/speech \
        --out runs/front_ends

The same encoder of 0.3 million parameters is trained by `train/asr.py` on
fsdd:train with each front end (log-mel; MFCC with slopes; these with
zero-crossing rate and spectral entropy), for the same epochs over the same
batches, without augmentation, so that noise is new to each. Each then hears
fsdd:dev clean and in white noise and babble (of speechocean762:train) at 10
and 0 dB. A killed run goes on where it was. The figures go to
benchmarks/results/keyword_front_ends.json, from which `train/report.py` makes
the table.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from robustness_conditions import all_conditions, change_all

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.data.corpora import read_manifest
from keras_selfattn.metrics.error_rate import ErrorRate
from keras_selfattn.preprocessing.audio import read_audio

HERE = Path(__file__).resolve().parent
RESULT = HERE / "results/keyword_front_ends.json"
DIGITS = "zero,one,two,three,four,five,six,seven,eight,nine"
FRONT_ENDS = {
    "log-mel": "log-mel, 80 bins",
    "mfcc": "MFCC, 13 and two orders of slopes",
    "mfcc-zcr-entropy": "these, zero-crossing rate, spectral entropy",
}
CONDITIONS = ("clean", "white-10", "white-0", "babble-10", "babble-0")


def train(out: Path, data: Path, front_end: str, options: list[str]) -> Path:
    """Trains with one front end, or goes on; returns the preset's folder."""
    command = [sys.executable, str(HERE.parent / "train/asr.py")]
    command += ["--train", str(data / "fsdd:train"), "--out", str(out)]
    command += ["--architecture", "keywords", "--words", DIGITS]
    command += ["--front-end", front_end, *options]
    subprocess.run(command, check=True)
    return out / "preset"


def listen(recognizer, recordings: list, references: list[str]) -> float:
    """Returns the word error rate of a recogniser on recordings."""
    errors = ErrorRate()
    texts = recognizer.transcribe(recordings, batch_size=16)
    for reference, text in zip(references, texts, strict=True):
        errors.update(reference, text)
    return errors.result()["wer"]


def main(
    data: Annotated[Path, typer.Option(help="Folder of manifest folders.")],
    out: Annotated[Path, typer.Option(help="Folder of the trainings.")],
    epochs: Annotated[int, typer.Option(min=1)] = 10,
    batch_seconds: Annotated[float, typer.Option(min=1)] = 16.0,
    learning_rate: float = 2e-3,
    seed: int = 0,
    backend: str = "torch",
    limit: Annotated[
        int | None, typer.Option(help="Hear the first so many only.")
    ] = None,
    max_steps: Annotated[int, typer.Option(help="Of each epoch; 0: all.")] = 0,
    json_out: Annotated[Path, typer.Option("--json")] = RESULT,
) -> None:
    """Trains and measures each front end, and keeps the figures."""
    options = ["--epochs", str(epochs), "--batch-seconds", str(batch_seconds)]
    options += ["--learning-rate", str(learning_rate), "--seed", str(seed)]
    options += ["--warmup-steps", "100", "--average", "1"]
    options += ["--augment-from-epoch", str(epochs)]
    options += ["--spec-augment-from-epoch", str(epochs)]
    options += ["--max-steps", str(max_steps)]
    if backend:
        options += ["--backend", backend]
    presets = {
        name: train(out / name, data, name, options) for name in FRONT_ENDS
    }

    from keras_selfattn.tasks.task import Task

    others = read_manifest(data / "speechocean762", "train")[:100]
    babble = [read_audio(example.path) for example in others]
    found = {c.name: c for c in all_conditions(babble[0], babble)}
    examples = read_manifest(data / "fsdd", "dev")[:limit]
    recordings = [read_audio(example.path) for example in examples]
    references = [example.text for example in examples]
    figures = {}
    for name, preset in presets.items():
        recognizer = Task.from_preset_folder(preset)
        rates = {
            found[c].title: listen(
                recognizer, change_all(found[c], recordings, seed), references
            )
            for c in CONDITIONS
        }
        figures[name] = {
            "title": FRONT_ENDS[name],
            "features": recognizer.frontend.feature_dim,
            "parameters": recognizer.count_params(),
            "wer": rates,
        }
        print(f"{name}: {json.dumps(rates)}", file=sys.stderr, flush=True)
    command = "python benchmarks/keyword_front_ends.py --data "
    command += "$KERAS_SELFATTN_DATA/speech --out runs/front_ends "
    command += f"--epochs {epochs} --seed {seed}"
    result = {
        "command": command,
        "data": "fsdd:dev",
        "utterances": len(examples),
        "epochs": epochs,
        "seed": seed,
        "conditions": [found[c].title for c in CONDITIONS],
        "front_ends": figures,
    }
    write_atomically(json_out, json.dumps(result, indent=1) + "\n")
    print(f"{json_out} is written.")


if __name__ == "__main__":
    typer.run(main)
