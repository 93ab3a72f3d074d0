"""Makes tests/golden/tiny_asr: a preset with random weights, a few kB.

    python -m tests.golden.make_tiny_asr

It needs every extra of the package. Its weights say nothing of use, but they
emit tokens, so that files, times and words can be tested in milliseconds. Made
once and committed: no test runs this.
"""

import os
import shutil
from pathlib import Path

import numpy as np
import soundfile

os.environ["KERAS_BACKEND"] = "torch"  # another gives other random weights

import keras  # noqa: E402

from keras_selfattn import zoo  # noqa: E402
from keras_selfattn.layers import LogMelSpectrogram  # noqa: E402
from keras_selfattn.models.conformer import ConformerEncoder  # noqa: E402
from keras_selfattn.preprocessing.tokenizers import (  # noqa: E402
    CharacterTokenizer,
)
from keras_selfattn.runtime import Transcriber  # noqa: E402
from keras_selfattn.runtime.preset_folder import write_json  # noqa: E402
from keras_selfattn.tasks import SpeechRecognizer  # noqa: E402

FOLDER = Path(__file__).parent / "tiny_asr"
RATE_HZ = 16000


def sample():
    """Return 1.5 s of gliding tones with pauses, float32 (L,)."""
    seconds = np.arange(int(1.5 * RATE_HZ)) / RATE_HZ
    glide = np.sin(2 * np.pi * (200 + 900 * seconds) * seconds)
    beat = np.sin(2 * np.pi * 2 * seconds) > 0
    return (0.3 * glide * beat).astype("float32")


def recognizer():
    """Return a small model whose head is sharp, so that tokens come out."""
    keras.utils.set_random_seed(7)
    task = SpeechRecognizer(
        LogMelSpectrogram(
            window_length_samples=160, hop_length_samples=160, num_mel_bins=8
        ),
        ConformerEncoder(
            8,
            [
                {
                    "hidden_dim": 16,
                    "num_layers": 1,
                    "num_heads": 2,
                    "intermediate_dim": 32,
                    "kernel_size": 5,
                }
            ],
        ),
        CharacterTokenizer(),
    )
    kernel, bias = task.head.get_weights()
    task.head.set_weights([12 * kernel, bias])
    return task


def main():
    """Write the preset folder anew."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    task = recognizer()
    task.save_preset(
        FOLDER,
        name="tiny_asr",
        description="Random weights, for tests.",
        language="en",
        license="Apache-2.0",
    )
    # What is saved is float16: export what a load gives.
    task = SpeechRecognizer.from_preset_folder(FOLDER)
    soundfile.write(FOLDER / "sample.wav", sample(), RATE_HZ)
    found = task.transcribe(FOLDER / "sample.wav", details=True)
    task.export(FOLDER / "model.tflite")
    preset = zoo.seal(FOLDER)
    preset["reference"] = {
        "file": "sample.wav",
        "text": found["text"],
        "token_ids": found["token_ids"],
    }
    write_json(FOLDER / "preset.json", preset)
    (FOLDER / "card.md").write_text("# tiny_asr\n\nRandom weights.\n")
    zoo.seal(FOLDER)
    transcript = Transcriber(FOLDER).transcribe(FOLDER / "sample.wav")
    if transcript.token_ids != found["token_ids"]:
        raise SystemExit("the exported file differs from the Keras model")
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{FOLDER.name}: {size} bytes, {transcript.text!r}")


if __name__ == "__main__":
    main()
