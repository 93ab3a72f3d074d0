"""Checkpoints a training goes on from as if it had never stopped.

One `.npz` file holds every variable of the model (seed states included)
and of the optimizer, the place (epoch, batch), what the run has logged, and on
torch the state of its random numbers, which layers without a seed draw.
The last whole file survives a kill at any moment, and the one before it is
kept, too: where the newest turns out damaged, a training goes on from there.

Paths and shapes are the same on all backends, so a training may go on with
another one, and with any number of processes.

The next steps are the same, bit for bit, where nothing else feeds them:
every random layer has a seed, data are a function of (seed, epoch), each
epoch is a `fit` of its own, and sums run in one order (a CPU, the same
number of threads).
"""

import json
import os
import re
from pathlib import Path

import keras
import numpy as np

from keras_selfattn.atomic_file import written_beside

_RANDOM = "torch_random_state"


class DamagedCheckpoint(ValueError):
    """A checkpoint that is not whole."""


def save_checkpoint(path, model, epoch, batch, history=None, keep=2):
    """Writes everything the next step depends on.

    Args:
        path: file (`.npz`).
        model: compiled keras.Model, its optimizer built.
        epoch: int, epoch to go on in.
        batch: int, batch of that epoch to go on with.
        history: JSON-able, carried along.
        keep: int >= 1, files: this one, and those before it as "NAME.1.npz"
            and so on.

    Raises:
        OSError: where it cannot be written; what was there stays.
    """
    path = Path(path)
    arrays = {
        "place": np.array([epoch, batch]),
        "history": np.frombuffer(json.dumps(history).encode(), "uint8"),
        **_random_state(),
    }
    for group, variables in _groups(model):
        for i, variable in enumerate(variables):
            value = keras.ops.convert_to_numpy(variable.value)
            if value.dtype.kind not in "biuf":  # bfloat16, which fits
                value = value.astype("float32")
            arrays[f"{group}/{i:05d}/{variable.path}"] = value
    try:
        with written_beside(path) as part:
            with open(part, "wb") as file:
                np.savez(file, **arrays)
            _move_back(path, keep)
    except OSError as error:
        raise OSError(
            error.errno,
            f"The checkpoint could not be written ({error.strerror or error});"
            " the one before it is whole. Make room and start the same "
            "command again",
            str(path),
        ) from error


def has_checkpoint(path):
    """Whether there is something to go on from, damaged or not."""
    return bool(_newest_first(path))


def remove_checkpoints(path):
    """Removes a checkpoint and those before it."""
    for file in _newest_first(path):
        file.unlink()


def restore_newest(path, model, say):
    """Restores a checkpoint, or the one before it where it is damaged.

    Args:
        path: file that `save_checkpoint` wrote.
        model: see `restore_checkpoint`.
        say: function of a line of text, for what was damaged.

    Returns:
        epoch, batch, history.

    Raises:
        ValueError: as `restore_checkpoint`, of the last one tried.
    """
    files = _newest_first(path) or [Path(path)]
    for i, file in enumerate(files):
        try:
            return restore_checkpoint(file, model)
        except DamagedCheckpoint as error:
            if i + 1 == len(files):
                raise
            say(f"{error} Going back to {files[i + 1].name}.")


def restore_checkpoint(path, model):
    """Puts a checkpoint's values into a freshly built, compiled model.

    Args:
        path: file that `save_checkpoint` wrote.
        model: compiled keras.Model of the same layers and optimizer; it
            stays as it was where the file does not fit.

    Returns:
        epoch, batch, history.

    Raises:
        DamagedCheckpoint: where the file is not whole.
        ValueError: where it is missing, or of another model.
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
        raise DamagedCheckpoint(
            f"{path} is not a whole checkpoint ({error}); delete it to start "
            "anew."
        ) from error
    random_state = arrays.pop(_RANDOM, None)
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
    if random_state is not None:
        _set_random_state(random_state)
    return epoch, batch, history


def _move_back(path, keep):
    """Makes room for a new file: each gets the name of the one before it."""
    files = [path, *(_older(path, i) for i in range(1, keep))]
    for newer, older in reversed(list(zip(files, files[1:]))):
        if not newer.is_file():
            continue
        if newer != path:
            os.replace(newer, older)
            continue
        # The newest keeps its name until the new one takes it.
        older.unlink(missing_ok=True)
        try:
            os.link(newer, older)
        except OSError:  # a file system without links
            os.replace(newer, older)


def _older(path, number):
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _newest_first(path):
    path = Path(path)
    older = {
        int(file.suffixes[-2][1:]): file
        for file in path.parent.glob(f"{path.stem}.*{path.suffix}")
        if file.suffixes[-2][1:].isdigit()
    }
    newest = [path] if path.is_file() else []
    return newest + [older[number] for number in sorted(older)]


def _random_state():
    """Torch's random numbers, of the CPU; other backends keep no state."""
    if keras.backend.backend() != "torch":
        return {}
    import torch

    return {_RANDOM: torch.get_rng_state().numpy()}


def _set_random_state(state):
    if keras.backend.backend() == "torch":
        import torch

        torch.set_rng_state(torch.from_numpy(state))


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
