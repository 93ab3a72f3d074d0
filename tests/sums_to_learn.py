"""What the loops of training are tested on: a model that learns sums."""

import keras
import numpy as np


class Sums(keras.utils.PyDataset):
    """Pairs of numbers and their sums.

    Args:
        num_batches: function of an epoch that gives how many batches it has.
    """

    def __init__(self, num_batches):
        super().__init__()
        self._num_batches = num_batches
        self.set_epoch(0)

    def set_epoch(self, epoch, first_batch=0):
        self.epoch, self.first = epoch, first_batch

    def __len__(self):
        return self._num_batches(self.epoch) - self.first

    def __getitem__(self, index):
        generator = np.random.default_rng([self.epoch, self.first + index])
        x = generator.normal(size=(3, 2)).astype("float32")
        return x, x.sum(axis=1, keepdims=True)

    def for_backend(self):
        return self


def model():
    """A compiled model with the same first weights each time."""
    made = keras.Sequential(
        [
            keras.Input((2,)),
            keras.layers.Dense(1, kernel_initializer="zeros", name="dense"),
        ]
    )
    made.compile(keras.optimizers.Adam(0.1), loss="mse")
    return made
