"""Writes the losses that a training has on every backend.

    python -m tests.golden.make_training_losses

Made on torch; `tests/parity/test_training.py` holds each backend to them.
"""

from pathlib import Path

import numpy as np

PATH = Path(__file__).with_name("training_losses.npz")
NAMES = ("text_classification", "translation", "speech_recognition")
STEPS = 50


def losses(name):
    """Of the steps of one of `tests.small_trainings`, float32."""
    from tests.small_trainings import make, train

    return np.array(train(*make(name), STEPS), "float32")


if __name__ == "__main__":
    np.savez_compressed(PATH, **{name: losses(name) for name in NAMES})
