"""What datasets of utterances share: an epoch's order, batches, augmentation.

It is a `keras.utils.PyDataset`, not a Grain pipeline: measured with opus
decoding, Grain was no faster (220-480 seconds of audio per second, both),
it is one dependency more, and its exact restart is had here by making the
batches a function of (seed, epoch). Neither works on the TensorFlow backend
once lengths vary, so `as_tf_dataset` wraps the same batches in tf.data;
`for_backend` picks.
"""

import collections
import sys

import keras
import numpy as np

from keras_selfattn.data.augmentation import speed_length
from keras_selfattn.data.batching import (
    pad_batch,
    plan_batches,
    round_up,
    widths_for_lengths,
)
from keras_selfattn.data.feeding import as_tf_dataset, for_backend

_TOKEN_MULTIPLE = 8


class UtteranceDataset(keras.utils.PyDataset):
    """Batches of utterances, the same for the same seed and epoch.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False` (else Keras shuffles the batches once more, without
    a seed). Keras reads the number of batches once per `fit`, and calls
    `on_epoch_end` before the first epoch too, so neither is relied on.

    A child gathers `examples`, `_tokens` (token ids of each) and `_lengths`
    (frames or samples of each), counts in `dropped` what it leaves out, then
    calls `_begin`; `_values` gives an utterance and `_changed_speed` a faster
    or slower one.

    Args:
        length_multiple: int. Batches are padded to a multiple.
        batch_size: int, or None. Utterances of a batch; or
        batch_values: int, or None. Padded frames or samples of a batch.
        augmenter: object with `speeds`, `draw_speeds(count, generator)` and
            `augmenter(values, generator)`, or None.
        augment_from_epoch: int. First epoch that is augmented.
        shuffle: bool. False for evaluation: ordered by length.
        shortest_first_epochs: int. First epochs that go from short to long
            (a curriculum).
        seed: int.
        workers: int. Threads that make batches. Defaults to 1.
    """

    def __init__(
        self,
        length_multiple,
        batch_size,
        batch_values,
        augmenter,
        augment_from_epoch,
        shuffle,
        shortest_first_epochs,
        seed,
        workers=1,
    ):
        super().__init__(workers=workers)
        self.batch_size = batch_size
        self._batch_values = batch_values
        self._length_multiple = length_multiple
        self.augmenter = augmenter
        self._fastest = max(1.0, *augmenter.speeds) if augmenter else 1.0
        self._augment_from_epoch = augment_from_epoch
        self._shuffle = shuffle
        self._shortest_first_epochs = shortest_first_epochs
        self._seed = seed
        self.dropped = collections.defaultdict(list)  # reason -> examples
        self.examples, self._tokens, self._lengths = [], [], []

    def _values(self, i):
        """The utterance at position `i` as it was recorded."""
        raise NotImplementedError

    def _changed_speed(self, values, speed):
        """An utterance `speed` times as fast."""
        raise NotImplementedError

    def _begin(self, progress):
        """Says what was left out, and settles the first epoch.

        Raises:
            ValueError: where no utterance can be used.
        """
        left_out = (f"{len(x)} {why}" for why, x in self.dropped.items())
        report = (
            f"{len(self.examples)} utterances kept; left out: "
            f"{', '.join(left_out)}"
        )
        if not self.examples:
            raise ValueError(f"No utterance can be used: {report}.")
        if self.dropped and progress:
            print(f"{report}.", file=sys.stderr)
        fastest = [speed_length(n, self._fastest) for n in self._lengths]
        self._widths = widths_for_lengths(
            round_up(np.asarray(fastest), self._length_multiple),
            [len(tokens) for tokens in self._tokens],
            _TOKEN_MULTIPLE,
        )
        self.set_epoch(0)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order, batches and augmentation, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        generator = np.random.default_rng([self._seed, epoch])
        speeds = np.ones(len(self.examples))
        self._is_augmented = (
            self.augmenter is not None and epoch >= self._augment_from_epoch
        )
        if self._is_augmented:
            speeds = self.augmenter.draw_speeds(len(speeds), generator)
        batches = plan_batches(
            list(map(speed_length, self._lengths, speeds)),
            self._length_multiple,
            self.batch_size,
            self._batch_values,
            generator if self._shuffle else None,
            shortest_first=epoch < self._shortest_first_epochs,
        )
        if not 0 <= first_batch <= len(batches):
            raise ValueError(
                f"first_batch={first_batch}; there are {len(batches)} batches."
            )
        self.epoch = epoch
        self._speeds = speeds
        self._batches = batches[first_batch:]

    def __len__(self):
        return len(self._batches)

    @property
    def num_examples(self):
        """Utterances of an epoch."""
        return len(self.examples)

    @property
    def padded_values(self):
        """Frames or samples in this epoch's batches, padding included."""
        return sum(len(b.indices) * b.padded_length for b in self._batches)

    def batch_examples(self, index):
        """The examples of the rows of batch `index`, in order."""
        return [self.examples[i] for i in self._batches[index].indices]

    def count_rows(self, index):
        """How many utterances batch `index` has."""
        return len(self._batches[index].indices)

    def __getitem__(self, index):
        if not 0 <= index < len(self._batches):
            raise IndexError(f"batch {index} of {len(self._batches)}")
        return self.rows_of(index, range(self.count_rows(index)))

    def rows_of(self, index, places):
        """Batch `index` cut to some rows: the others are not even read.

        Args:
            index: int.
            places: iterable of int, rows of the batch.
        """
        batch = self._batches[index]
        chosen = [batch.indices[place] for place in places]
        rows = [self._augmented(i) for i in chosen]
        # A manifest's duration may be a little short of what is read.
        padded_length = max(
            batch.padded_length,
            round_up(max(map(len, rows)), self._length_multiple),
        )
        width = max(w for p, w in self._widths.items() if p <= padded_length)
        tokens = [self._tokens[i] for i in chosen]
        return pad_batch(rows, tokens, padded_length, width)

    def _augmented(self, i):
        values = self._values(i)
        if not self._is_augmented:
            return values
        values = self._changed_speed(values, float(self._speeds[i]))
        seed = [self._seed, self.epoch, i]
        return self.augmenter(values, np.random.default_rng(seed))

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def as_tf_dataset(self):
        """This epoch's batches as a `tf.data.Dataset`, dimensions open."""
        return as_tf_dataset(self)

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)
