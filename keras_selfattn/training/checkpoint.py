"""Checkpoints a training goes on from as if it had never stopped.

One `.npz` file holds every variable of the model (seed states included)
and of the optimizer, the place (epoch, batch) and what the run has logged.
The last whole file survives a kill at any moment.

The next steps are the same, bit for bit, where nothing else feeds them:
every random layer has a seed, data are a function of (seed, epoch), each
epoch is a `fit` of its own, and sums run in one order (a CPU, the same
number of threads).
"""

import json
import re
from pathlib import Path

import keras
import numpy as np

from keras_selfattn.atomic_file import written_beside


def save_checkpoint(path, model, epoch, batch, history=None):
    """Writes everything the next step depends on.

    Args:
        path: file (`.npz`).
        model: compiled keras.Model, its optimizer built.
        epoch: int, epoch to go on in.
        batch: int, batch of that epoch to go on with.
        history: JSON-able, carried along.
    """
    arrays = {
        "place": np.array([epoch, batch]),
        "history": np.frombuffer(json.dumps(history).encode(), "uint8"),
    }
    for group, variables in _groups(model):
        for i, variable in enumerate(variables):
            value = keras.ops.convert_to_numpy(variable.value)
            if value.dtype.kind not in "biuf":  # bfloat16, which fits
                value = value.astype("float32")
            arrays[f"{group}/{i:05d}/{variable.path}"] = value
    with written_beside(path) as part, open(part, "wb") as file:
        np.savez(file, **arrays)


def restore_checkpoint(path, model):
    """Puts a checkpoint's values into a freshly built, compiled model.

    Args:
        path: file that `save_checkpoint` wrote.
        model: compiled keras.Model of the same layers and optimizer; it
            stays as it was where the file does not fit.

    Returns:
        epoch, batch, history.

    Raises:
        ValueError: where the file is missing, damaged or of another model.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist; nothing to go on from.")
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
    pairs = []
    for group, variables in _groups(model):
        keys = sorted(key for key in arrays if key.startswith(f"{group}/"))
        if len(keys) != len(variables):
            raise ValueError(
                f"{path} belongs to another {group}: it holds {len(keys)} "
                f"variables, this one has {len(variables)}. Use the "
                "arguments it was written with, or start anew elsewhere."
            )
        for key, variable in zip(keys, variables, strict=True):
            value, name = arrays[key], key.split("/", 2)[2]
            same = _uncounted(name) == _uncounted(variable.path)
            if not same or value.shape != tuple(variable.shape):
                raise ValueError(
                    f"{path} belongs to another {group}: where it holds "
                    f"{name} {value.shape}, this one has {variable.path} "
                    f"{tuple(variable.shape)}. Use the arguments it was "
                    "written with, or start anew elsewhere."
                )
            pairs.append((variable, value))
    for variable, value in pairs:
        variable.assign(value)
    return epoch, batch, history


def _groups(model):
    return ("model", model.variables), ("optimizer", model.optimizer.variables)


def _uncounted(path):
    """A variable's path without the numbers Keras counts up in a process."""
    return re.sub(r"_\d+(?=[/_])", "", path)


class CheckpointEvery(keras.callbacks.Callback):
    """Saves every so many batches; `batch` counts from `first_batch`.

    Put it behind the callbacks whose files it is to agree with.

    Args:
        path: file of the checkpoint.
        every: int >= 1, batches between two saves.
        epoch: int, the epoch this `fit` runs.
        first_batch: int, batches of it that were done before this `fit`.
        history: JSON-able, carried along (read when saving).

    Example:
        >>> saving = CheckpointEvery("checkpoint.npz", every=200, epoch=0)
        >>> model.fit(dataset, epochs=1, callbacks=[saving])
    """

    def __init__(self, path, every, epoch, first_batch=0, history=None):
        super().__init__()
        if every < 1:
            raise ValueError(f"every={every}; expected at least 1 batch.")
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
