"""What a training says while it runs, and when it stops itself."""

import json
import time

import keras
import numpy as np


class StepLog(keras.callbacks.Callback):
    """Appends one JSON line a step: epoch, batch, loss, learning rate.

    Keras's logs hold the mean of the epoch so far; the step's own loss is
    taken back out of it. Stops the training after `patience` steps in a row
    whose loss is not finite.

    Args:
        path: file, appended to.
        epoch: int, the epoch this `fit` runs.
        first_batch: int, batches of it that were done before this `fit`.
        patience: int, losses in a row that may be NaN or infinite.
    """

    def __init__(self, path, epoch, first_batch=0, patience=20):
        super().__init__()
        self.path = path
        self.epoch = epoch
        self.first_batch = first_batch
        self.patience = patience
        self._bad = 0
        self._mean = 0.0

    def on_train_begin(self, logs=None):
        self._file = open(self.path, "a", encoding="utf-8")
        self._start = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        mean = float(logs["loss"])
        loss = mean * (batch + 1) - self._mean * batch
        if np.isfinite(loss):
            self._bad, self._mean = 0, mean
        else:
            self._bad += 1
            if self._bad >= self.patience:
                raise FloatingPointError(
                    f"The loss was not finite for {self._bad} steps in a row "
                    f"(epoch {self.epoch}, batch {self.first_batch + batch})"
                    "; lower the learning rate or check the data."
                )
        row = {
            "epoch": self.epoch,
            "batch": self.first_batch + batch,
            "loss": loss,
            "learning_rate": float(self.model.optimizer.learning_rate),
            "seconds": round(time.perf_counter() - self._start, 3),
        }
        self._file.write(json.dumps(row) + "\n")
        if batch % 20 == 0:
            self._file.flush()

    def on_train_end(self, logs=None):
        self._file.close()
