"""Makes tests/golden/tiny_stream: a recogniser of three tones that streams.

    python -m tests.golden.make_tiny_stream

It needs every extra of the package and a minute. It knows "a", "b" and "c", a
tone each, and hears a longer pause as a blank, so that partial texts, times
and silence can be tested in milliseconds. Made once and committed: no test
runs this.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import soundfile

os.environ["KERAS_BACKEND"] = "torch"  # another gives other weights

import keras  # noqa: E402

from keras_selfattn import zoo  # noqa: E402
from keras_selfattn.layers import LogMelSpectrogram  # noqa: E402
from keras_selfattn.models.conformer import ConformerEncoder  # noqa: E402
from keras_selfattn.preprocessing.tokenizers import (  # noqa: E402
    CharacterTokenizer,
)
from keras_selfattn.runtime.preset_folder import write_json  # noqa: E402
from keras_selfattn.tasks import SpeechRecognizer  # noqa: E402
from tests.tones import RATE_HZ, spoken_tones  # noqa: E402

FOLDER = Path(__file__).parent / "tiny_stream"
TEXT = "abc ca bab"


def recognizer():
    """Returns the model, untrained."""
    return SpeechRecognizer(
        LogMelSpectrogram(
            window_length_samples=200, num_mel_bins=12, padding="causal"
        ),
        ConformerEncoder(
            12,
            [
                {
                    "hidden_dim": 24,
                    "num_layers": 1,
                    "num_heads": 2,
                    "intermediate_dim": 48,
                    "kernel_size": 7,
                    "dropout": 0.0,
                }
            ],
            streaming={
                "chunk_frames": [4, 8],
                "left_frames": 16,
                "full_context_rate": 0.3,
            },
        ),
        CharacterTokenizer(),
        chunk_frames=4,
    )


def batch(random, tokenizer, size=16):
    """Returns inputs and padded token ids of random words, noise added."""
    texts, rows = [], []
    for _ in range(size):
        words = ["".join(random.choice(list("abc"), n)) for n in (2, 1, 3)]
        random.shuffle(words)
        texts.append(" ".join(words[: random.integers(1, 4)]))
        row = spoken_tones(texts[-1])
        pads = random.integers(0, RATE_HZ // 2, 2)
        row = random.uniform(0.3, 1.0) * np.pad(row, tuple(pads))
        rows.append(row + random.normal(scale=0.002, size=len(row)))
    width = 6 * RATE_HZ  # one shape, one compilation
    ids = [tokenizer.encode(text) for text in texts]
    inputs = {
        "samples": np.stack(
            [np.pad(row, (0, width - len(row))) for row in rows]
        ),
        "num_samples": np.array([len(row) for row in rows], "int32"),
    }
    inputs["samples"] = inputs["samples"].astype("float32")
    return inputs, np.array(
        [row + [0] * (12 - len(row)) for row in ids], "int32"
    )


def main():
    """Writes the preset folder anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    keras.utils.set_random_seed(7)
    random = np.random.default_rng(7)
    task = recognizer()
    task.compile(keras.optimizers.Adam(4e-3, global_clipnorm=1.0))
    for number in range(400):
        if number == 300:
            task.optimizer.learning_rate = 1e-3
        loss = task.train_on_batch(*batch(random, task.tokenizer))
        if number % 50 == 49:
            print(number + 1, float(loss), flush=True)
    task.save_preset(
        FOLDER,
        name="tiny_stream",
        description="Three tones, for tests.",
        language="en",
        license="Apache-2.0",
    )
    # What is saved is float16: export what a load gives.
    task = SpeechRecognizer.from_preset_folder(FOLDER)
    soundfile.write(FOLDER / "sample.wav", spoken_tones(TEXT), RATE_HZ)
    found = task.transcribe(
        FOLDER / "sample.wav", details=True, chunk_frames=task.chunk_frames
    )
    if not found["text"] == TEXT == task.transcribe(FOLDER / "sample.wav"):
        raise SystemExit(f"it did not learn its tones: {found['text']!r}")
    print(task.export(FOLDER / "model.tflite"))
    preset = zoo.seal(FOLDER)
    preset["reference"] = {
        "file": "sample.wav",
        "text": found["text"],
        "token_ids": found["token_ids"],
    }
    write_json(FOLDER / "preset.json", preset)
    (FOLDER / "card.md").write_text("# tiny_stream\n\nThree tones.\n")
    zoo.seal(FOLDER)
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{FOLDER.name}: {size} bytes, {found['text']!r}")


if __name__ == "__main__":
    main()
