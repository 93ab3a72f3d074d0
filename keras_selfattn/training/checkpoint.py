"""Checkpoints a training goes on from as if it had never stopped.

One `.npz` file holds every variable of the model (seed states included)
and of the optimizer, the place (epoch, batch) and what the run has logged;
it is written beside and renamed, so a kill leaves the last whole one.
"""

import io
import json
from pathlib import Path

import keras
import numpy as np

from keras_selfattn.atomic_file import write_atomically


def save_checkpoint(path, model, epoch, batch, history=None):
    """Writes everything the next step depends on.

    Args:
        path: file (`.npz`).
        model: compiled keras.Model.
        epoch: int, epoch to go on in.
        batch: int, batch of that epoch to go on with.
        history: JSON-able, carried along.
    """
    arrays = {
        "place": np.array([epoch, batch]),
        "history": np.frombuffer(
            json.dumps(history or {}).encode("utf-8"), "uint8"
        ),
    }
    for group, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
    ):
        for i, variable in enumerate(variables):
            key = f"{group}/{i:05d}/{variable.path}"
            arrays[key] = keras.ops.convert_to_numpy(variable.value)
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomically(path, buffer.getvalue())


def restore_checkpoint(path, model):
    """Puts a checkpoint's values into a freshly built, compiled model.

    Returns:
        epoch, batch, history.

    Raises:
        ValueError: where the file is cut short or of another model.
    """
    path = Path(path)
    try:
        with np.load(path) as data:
            arrays = {key: data[key] for key in data.files}
        epoch, batch = (int(i) for i in arrays.pop("place"))
        history = json.loads(arrays.pop("history").tobytes())
    except Exception as error:
        raise ValueError(
            f"{path} is not a whole checkpoint ({error}); delete it to start "
            "anew."
        ) from error
    model.optimizer.build(model.trainable_variables)
    for group, variables in (
        ("model", model.variables),
        ("optimizer", model.optimizer.variables),
    ):
        keys = sorted(k for k in arrays if k.startswith(f"{group}/"))
        fits = len(keys) == len(variables) and all(
            arrays[key].shape == tuple(variable.shape)
            for key, variable in zip(keys, variables, strict=True)
        )
        if not fits:
            raise ValueError(
                f"{path} belongs to another {group}: {len(keys)} variables in "
                f"the file, {len(variables)} here, or other shapes; use the "
                "arguments it was written with, or another --out."
            )
        for key, variable in zip(keys, variables, strict=True):
            variable.assign(arrays[key])
    return epoch, batch, history


class CheckpointEvery(keras.callbacks.Callback):
    """Saves every so many batches; `batch` counts from `first_batch`.

    Args:
        path: file of the checkpoint.
        every: int, batches between two saves.
        epoch: int, the epoch this `fit` runs.
        first_batch: int, batches of it that were done before this `fit`.
        history: JSON-able, carried along (read when saving).
    """

    def __init__(self, path, every, epoch, first_batch=0, history=None):
        super().__init__()
        self.path = path
        self.every = every
        self.epoch = epoch
        self.first_batch = first_batch
        self.history = history

    def on_train_batch_end(self, batch, logs=None):
        done = self.first_batch + batch + 1
        if done % self.every == 0:
            save_checkpoint(
                self.path, self.model, self.epoch, done, self.history
            )
