"""What a training says while it runs, and when it stops itself."""

import json
import math
import os
import time
from pathlib import Path

import keras

from keras_selfattn.atomic_file import write_atomically


class StepLog(keras.callbacks.Callback):
    """Writes one JSON line a step: epoch, batch, loss, rate, seconds.

    The loss is the step's own: Keras's logs hold a mean over the epoch so
    far, weighted by batch size, which is therefore begun anew before each
    step. In its place the logs (progress bar, history) get the plain mean
    over the epoch's finite losses, those before a resume included.

    When a training goes on from a checkpoint, lines of steps that are done
    again are dropped, and so is a line that a kill cut short. Each line is
    handed to the system at once: a kill loses none. A loss that is not
    finite stands as null; `patience` of them in a row stop the training.

    Args:
        path: file, appended to (JSON Lines); None writes none, in a process
            that is not the first.
        epoch: int, the epoch this `fit` runs.
        first_batch: int, batches of it that were done before this `fit`.
        patience: int >= 1, losses in a row that may be NaN or infinite.

    Raises:
        FloatingPointError: from `fit`, when the patience is at its end.

    Example:
        >>> log = StepLog("steps.jsonl", epoch=0)
        >>> model.fit(dataset, epochs=1, callbacks=[log])
    """

    def __init__(self, path, epoch, first_batch=0, patience=20):
        super().__init__()
        if patience < 1:
            raise ValueError(f"patience={patience}; expected at least 1.")
        self.path = Path(os.devnull if path is None else path)
        self.epoch = epoch
        self.first_batch = first_batch
        self.patience = patience

    def on_train_begin(self, logs=None):
        rows = drop_rows_from(self.path, self.epoch, self.first_batch)
        self._rows = [row for row in rows if row["epoch"] == self.epoch]
        self._bad = 0
        self._file = open(self.path, "a", encoding="utf-8")
        self._last = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        model = self.model  # on JAX this brings the variables up to date
        model.reset_metrics()
        self._learning_rate = float(model.optimizer.learning_rate)

    def on_train_batch_end(self, batch, logs=None):
        loss = float(logs["loss"])
        finite = math.isfinite(loss)
        now = time.perf_counter()
        row = {
            "epoch": self.epoch,
            "batch": self.first_batch + batch,
            "loss": loss if finite else None,
            "learning_rate": self._learning_rate,
            "seconds": round(now - self._last, 3),
        }
        self._last = now
        self._rows.append(row)
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()
        if finite:
            self._bad = 0
        else:
            self._bad += 1
            if self._bad >= self.patience:
                self._file.close()
                raise FloatingPointError(
                    f"The loss was not finite for {self._bad} steps in a row "
                    f"(up to epoch {self.epoch}, batch {row['batch']}); "
                    "lower the learning rate or check the data."
                )
        logs["loss"] = mean_loss(self._rows, self.epoch)

    def on_epoch_end(self, epoch, logs=None):
        logs["loss"] = mean_loss(self._rows, self.epoch)

    def on_train_end(self, logs=None):
        self._file.close()


def read_rows(path):
    """Whole lines of a step log as dicts; none where there is no file.

    A last line without its end (a kill cut it short) is left out.

    Raises:
        ValueError: for a line that is not JSON.
    """
    path = Path(path)
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]
    try:
        return [json.loads(line) for line in lines]
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} holds a line that is not JSON ({error}); remove it."
        ) from error


def mean_loss(rows, epoch):
    """Mean of an epoch's finite losses in a step log; NaN without any."""
    losses = [
        row["loss"]
        for row in rows
        if row["epoch"] == epoch and row["loss"] is not None
    ]
    return math.fsum(losses) / len(losses) if losses else math.nan


def drop_rows_from(path, epoch, batch):
    """Shortens a step log to the steps before `batch` of `epoch`.

    Returns:
        the rows that stay.
    """
    path = Path(path)
    rows = [
        row
        for row in read_rows(path)
        if (row["epoch"], row["batch"]) < (epoch, batch)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    if path.is_file() and path.read_text(encoding="utf-8") != text:
        write_atomically(path, text)
    return rows
