"""The part of each batch that one of several processes trains on.

All processes plan the same batches and each takes its rows of them: nothing
is left out, nothing comes twice, and the batches of N processes are those of
one. So a training gives the same with any number of processes, and can go on
with another number at any batch.

Shapes: `B` rows of a batch, `b` rows of a process, `N` processes.
"""

import keras
import numpy as np

from keras_selfattn.data.feeding import for_backend


class ProcessRows(keras.utils.PyDataset):
    """A dataset's batches, cut to the rows of one process.

    Each process has `b` rows, the same number for all, a multiple of what its
    devices need. Where `B` is less than `N b`, the last row stands in for what
    is missing, with a weight of 0. A batch is therefore `(inputs, targets,
    sample weights)`, and the weights of rows that count are `N b / B`: a mean
    over weighted tokens is as ever, and one over rows (Keras's losses, which
    divide by `b`) is the mean over the `B` rows.

    Args:
        dataset: has `set_epoch(epoch, first_batch)`, a length, and batches
            that are `(inputs, targets)` or `(inputs, targets, weights)`. A
            method `rows_of(index, places)`, where there is one, makes chosen
            rows of a batch, and `count_rows(index)` says how many it has.
        rank: int, this process.
        size: int, `N`.
        multiple: int, what `b` is a multiple of.

    Raises:
        ValueError: a rank that is none of 0 to size - 1.

    Example:
    ```python
    rows = ProcessRows(dataset, rank=0, size=2)
    rows.set_epoch(0)
    task.fit(rows.for_backend(), shuffle=False)
    ```
    """

    def __init__(self, dataset, rank, size, multiple=1):
        super().__init__(workers=dataset.workers)
        if not 0 <= rank < size or multiple < 1:
            raise ValueError(
                f"rank={rank}, size={size}, multiple={multiple}; expected a "
                "rank of 0 to size - 1 and a multiple of at least 1."
            )
        self.dataset = dataset
        self._rank, self._size, self._multiple = rank, size, multiple

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order and batches, exactly, for an epoch."""
        self.dataset.set_epoch(epoch, first_batch=first_batch)

    def __len__(self):
        return len(self.dataset)

    def places(self, rows):
        """Which rows of `rows` are this process's, and what they weigh.

        Returns:
            int array `(b,)`, float32 array `(b,)`.
        """
        each = -(-rows // self._size)
        each = -(-each // self._multiple) * self._multiple
        places = np.arange(self._rank * each, (self._rank + 1) * each)
        weights = np.where(places < rows, self._size * each / rows, 0.0)
        return np.minimum(places, rows - 1), weights.astype("float32")

    def __getitem__(self, index):
        if hasattr(self.dataset, "rows_of"):
            places, weights = self.places(self.dataset.count_rows(index))
            batch = self.dataset.rows_of(index, places)
        else:
            batch = self.dataset[index]
            rows = len(keras.tree.flatten(batch)[0])
            places, weights = self.places(rows)
            batch = keras.tree.map_structure(lambda a: a[places], batch)
        inputs, targets, *own = batch
        if own:
            shape = (-1,) + (1,) * (own[0].ndim - 1)
            weights = own[0] * weights.reshape(shape)
        return inputs, targets, weights

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)
