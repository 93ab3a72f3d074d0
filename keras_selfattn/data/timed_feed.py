"""Batches on their way into `fit`: how much they hold, how long it waited."""

import concurrent.futures
import time

import keras
import numpy as np


class Fed:
    """What was fed to a `fit`.

    Attributes:
        unit: "audio_seconds", "images", "tokens" or "rows": what a batch holds.
        amount: float, of that in all batches, padding left out.
        waited_seconds: float, in which the training waited for a batch.
    """

    def __init__(self):
        self.unit, self.amount, self.waited_seconds = "rows", 0.0, 0.0

    def add(self, dataset, batch):
        """Counts one batch of a dataset."""
        self.unit, amount = batch_amount(dataset, batch)
        self.amount += amount


def batch_amount(dataset, batch):
    """What a batch holds: a unit and a float.

    Seconds of sound where it has samples, images where it has those, else ids
    that are not padding (0), of all its inputs, else rows.

    Args:
        dataset: `sampling_rate_hz` tells the rate of its samples; where it
            wraps another, which it calls `dataset`, that one's may.
        batch: `(inputs, ...)` or inputs, an array or a dict of arrays.
    """
    inputs = batch[0] if isinstance(batch, tuple) else batch
    while dataset is not None and not hasattr(dataset, "sampling_rate_hz"):
        dataset = getattr(dataset, "dataset", None)
    is_sound = isinstance(inputs, dict) and "num_samples" in inputs
    if is_sound and dataset is not None:
        seconds = np.sum(inputs["num_samples"]) / dataset.sampling_rate_hz
        return "audio_seconds", float(seconds)
    if isinstance(inputs, dict) and "images" in inputs:
        return "images", float(len(inputs["images"]))
    arrays = [np.asarray(array) for array in keras.tree.flatten(inputs)]
    ids = [a for a in arrays if a.dtype.kind in "iu" and a.ndim > 1]
    if ids:
        return "tokens", float(sum(np.count_nonzero(a) for a in ids))
    return "rows", float(len(arrays[0]))


class TimedFeed(keras.utils.PyDataset):
    """A dataset whose batches are made ahead, timed and counted.

    Without threads a batch is made when it is asked for, and all of that is
    waiting; else threads make the next ones meanwhile. Keras asks for the
    batches in order, in one thread.

    Args:
        dataset: keras.utils.PyDataset.
        fed: `Fed`, which counts.
        threads: int, that make batches; default: as many as the dataset has
            workers, where these are two or more.

    Example:
    ```python
    fed = Fed()
    model.fit(TimedFeed(dataset, fed), shuffle=False)
    print(fed.waited_seconds)
    ```
    """

    def __init__(self, dataset, fed, threads=None):
        super().__init__(workers=1)
        if threads is None:
            threads = dataset.workers if dataset.workers > 1 else 0
        self._dataset = dataset
        self._fed = fed
        self._threads = threads
        self._pool = None
        self._ahead = {}
        self._counted = 0

    def __len__(self):
        return len(self._dataset)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        start = time.perf_counter()
        batch = self._take(index)
        self._fed.waited_seconds += time.perf_counter() - start
        if index >= self._counted:  # Keras may look at the first one twice
            self._fed.add(self._dataset, batch)
            self._counted = index + 1
        return batch

    def _take(self, index):
        if not self._threads:
            return self._dataset[index]
        if self._pool is None:
            self._pool = concurrent.futures.ThreadPoolExecutor(self._threads)
        last = min(index + 2 * self._threads + 1, len(self))
        for number in range(index, last):
            if number not in self._ahead:
                self._ahead[number] = self._pool.submit(
                    self._dataset.__getitem__, number
                )
        return self._ahead.pop(index).result()

    def close(self):
        """Ends the threads; what they have not begun is not made."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None
        self._ahead = {}

    def batches(self):
        """Yields the batches in order."""
        try:
            for index in range(len(self)):
                yield self[index]
        finally:
            self.close()
