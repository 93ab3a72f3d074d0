"""Batches of prepared corpora: nothing in memory but lengths.

What the datasets of speech, texts and pairs share (`sharded_speech`,
`sharded_texts`). Eight bytes an example are kept: its length and the number of
its tokens. All else is read from the shards when its batch is made, by
background threads.

An epoch's order is a function of (seed, epoch): the shards are shuffled and
taken together in windows of about `window_examples`, in each of which rows
meet others of their length and batches are shuffled, as in a dataset that
lies in memory. So a window is planned alone, the whole order never exists,
and a place in it is (epoch, batch).
"""

import bisect
import collections
import hashlib
import json
import threading
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_selfattn.atomic_file import written_beside
from keras_selfattn.data.batching import count_batches, plan_batches
from keras_selfattn.data.feeding import as_tf_dataset, for_backend
from keras_selfattn.data.timed_feed import Fed, TimedFeed

WINDOW_EXAMPLES = 65536


@dataclass(frozen=True, slots=True)
class ShardedBatch:
    """Numbers of a batch's examples, the length they are padded to, speeds."""

    numbers: np.ndarray
    padded_length: int
    speeds: np.ndarray


class ShardedDataset(keras.utils.PyDataset):
    """Batches of prepared corpora, the same for the same seed and epoch.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`, with
    `shuffle=False`. A child gives `_measure` and `_arrays`, and calls `_begin`
    at the end of its constructor.

    Args:
        corpora: list of `ShardedCorpus`.
        length_multiple: int. Batches are padded to a multiple.
        batch_size: int, or None. Examples of a batch; or
        batch_values: int, or None. Padded length of a batch in all.
        shuffle: bool. False for evaluation: windows in order, each by length.
        shortest_first_epochs: int. First epochs in which each window goes
            from short to long.
        window_examples: int. Examples that are shuffled together, at least
            one shard.
        seed: int.
        workers: int. Threads that read, decode and make batches.
    """

    def __init__(
        self,
        corpora,
        length_multiple,
        batch_size,
        batch_values,
        shuffle=True,
        shortest_first_epochs=0,
        window_examples=WINDOW_EXAMPLES,
        seed=0,
        workers=2,
    ):
        if workers < 1 or window_examples < 1:
            raise ValueError(
                f"workers={workers}, window_examples={window_examples}; "
                "expected at least 1."
            )
        super().__init__(workers=workers)
        self.corpora = list(corpora)
        self._sizes = length_multiple, batch_size, batch_values
        self._shuffle = shuffle
        self._shortest_first_epochs = shortest_first_epochs
        self._window_examples = window_examples
        self._seed = seed
        self._share = 0, 1
        self._shards = [
            (corpus, shard)
            for corpus in self.corpora
            for shard in range(len(corpus.counts))
        ]
        counts = [corpus.counts[shard] for corpus, shard in self._shards]
        self._starts = np.cumsum([0, *counts])
        self._lock = threading.Lock()

    def _measure(self, row):
        """Length and number of tokens of a row, or why it is left out."""
        raise NotImplementedError

    def _arrays(self, batch):
        """The arrays of a `ShardedBatch`."""
        raise NotImplementedError

    def _draw_speeds(self, count, generator):
        """Speeds of a window's examples, for a child that changes them."""
        return np.ones(count)

    def _begin(self, settings, measurements=None, progress=None):
        """Measures every row, or reads what was measured before.

        Args:
            settings: what `_measure` depends on, JSON-able.
            measurements: path of a file that keeps what is measured, or None.
            progress: called with (examples done, examples in all), or None.
        """
        key = json.dumps([[c.sha256 for c in self.corpora], settings])
        key = hashlib.sha256(key.encode()).hexdigest()
        found = _kept_measurements(measurements, key)
        if found is None:
            found = self._measure_all(progress)
            if measurements is not None:
                with written_beside(measurements) as part:
                    with open(part, "wb") as file:
                        np.savez(
                            file,
                            key=np.array(key),
                            sizes=found[0],
                            dropped=np.array(json.dumps(found[1])),
                        )
        (self._lengths, self._num_tokens), self.dropped = found
        self.num_examples = int(np.count_nonzero(self._lengths))
        if not self.num_examples:
            folders = ", ".join(str(corpus.folder) for corpus in self.corpora)
            raise ValueError(
                f"No example of {folders} can be used; left out: "
                f"{self.dropped}."
            )
        self.set_epoch(0)

    def _measure_all(self, progress):
        total = int(self._starts[-1])
        sizes = np.zeros((2, total), "int32")
        dropped, number = collections.Counter(), 0
        for corpus, shard in self._shards:
            for row in corpus.rows(shard):
                found = self._measure(row)
                if isinstance(found, str):
                    dropped[found] += 1
                else:
                    sizes[:, number] = found
                number += 1
            if progress is not None:
                progress(number, total)
        return sizes, dict(dropped)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order and batches, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        order = np.arange(len(self._shards))
        if self._shuffle:
            order = np.random.default_rng([self._seed, epoch]).permutation(
                order
            )
        windows, size = [[]], 0
        for shard in order.tolist():
            if size >= self._window_examples:
                windows.append([])
                size = 0
            windows[-1].append(shard)
            size += int(self._starts[shard + 1] - self._starts[shard])
        self.epoch = epoch
        self._windows = windows
        self._ends, self.padded_values, num_batches = [], 0, 0
        for window in range(len(windows)):
            _, lengths, _, _ = self._contents(window)
            batches, values = count_batches(lengths, *self._sizes)
            num_batches += batches
            self.padded_values += values
            self._ends.append(num_batches)
        if not 0 <= first_batch <= num_batches:
            raise ValueError(
                f"first_batch={first_batch}; there are {num_batches} batches."
            )
        self._first = first_batch
        self._plans = collections.OrderedDict()

    def shard(self, index, count):
        """Gives this process its share of each batch, and nothing else.

        A batch's rows go around: `index` takes its rows `index`, `index +
        count`, ... All processes have the same number of batches, of the same
        padded lengths; their rows are those of the whole batch, without one
        lost or seen twice. A batch of fewer rows than processes leaves some
        of them a batch of no rows.

        Args:
            index: int, from 0, of this process.
            count: int, processes.
        """
        if not 0 <= index < count:
            raise ValueError(
                f"shard({index}, {count}): expected 0 <= index < count."
            )
        self._share = index, count

    def _contents(self, window):
        """Numbers of a window's examples, lengths, speeds, and a generator."""
        numbers = np.concatenate(
            [
                np.arange(self._starts[shard], self._starts[shard + 1])
                for shard in self._windows[window]
            ]
        )
        numbers = numbers[self._lengths[numbers] > 0]
        generator = np.random.default_rng([self._seed, self.epoch, window])
        speeds = self._draw_speeds(len(numbers), generator)
        # As `augmentation.speed_length` counts, for all at once.
        lengths = np.maximum(1, np.rint(self._lengths[numbers] / speeds))
        return numbers, lengths.astype("int64"), speeds, generator

    def _plan(self, window):
        """The batches of a window; those of two are kept."""
        with self._lock:
            key = self.epoch, window
            if key not in self._plans:
                numbers, lengths, speeds, generator = self._contents(window)
                shortest_first = self.epoch < self._shortest_first_epochs
                batches = plan_batches(
                    lengths,
                    *self._sizes,
                    generator if self._shuffle else None,
                    shortest_first,
                )
                self._plans[key] = numbers, speeds, batches
                if len(self._plans) > 2:
                    self._plans.popitem(last=False)
            return self._plans[key]

    def batch(self, index):
        """The `ShardedBatch` of a number, of this process's rows."""
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        place = self._first + index
        window = bisect.bisect_right(self._ends, place)
        place -= self._ends[window - 1] if window else 0
        numbers, speeds, batches = self._plan(window)
        process, count = self._share
        rows = np.asarray(batches[place].indices)[process::count]
        return ShardedBatch(
            numbers[rows], batches[place].padded_length, speeds[rows]
        )

    def count_rows(self, index):
        """How many examples batch `index` has."""
        return len(self.batch(index).numbers)

    def rows_of(self, index, places):
        """Batch `index` cut to some rows: the others are not even read.

        Args:
            index: int.
            places: int array, rows of the batch.
        """
        batch = self.batch(index)
        places = np.asarray(places)
        return self._arrays(
            ShardedBatch(
                batch.numbers[places], batch.padded_length, batch.speeds[places]
            )
        )

    def read(self, numbers, sounds=False):
        """Rows of examples, in order; with `sounds`, their sounds as well."""
        rows = [None] * len(numbers)
        heard = [None] * len(numbers)
        shards = np.searchsorted(self._starts, numbers, side="right") - 1
        for shard in np.unique(shards).tolist():
            corpus, inside = self._shards[shard]
            positions = np.flatnonzero(shards == shard)
            places = numbers[positions] - self._starts[shard]
            found = corpus.rows(inside, places)
            for position, row in zip(positions, found, strict=True):
                rows[position] = row
            if sounds:
                found = corpus.sounds(inside, places)
                for position, sound in zip(positions, found, strict=True):
                    heard[position] = sound
        return (rows, heard) if sounds else rows

    def batch_examples(self, index):
        """The rows of batch `index` as dicts, in order."""
        return self.read(self.batch(index).numbers)

    def __len__(self):
        return self._ends[-1] - self._first

    def __getitem__(self, index):
        return self._arrays(self.batch(index))

    def batches(self):
        """Yields the epoch's batches in order, made ahead by the workers."""
        yield from TimedFeed(self, Fed(), self.workers).batches()

    def as_tf_dataset(self):
        """This epoch's batches as a `tf.data.Dataset`, dimensions open."""
        return as_tf_dataset(self)

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)


def _kept_measurements(path, key):
    """What was measured before under this key, or None."""
    if path is None or not Path(path).is_file():
        return None
    with np.load(path) as kept:
        if str(kept["key"]) != key:
            return None
        return kept["sizes"], json.loads(str(kept["dropped"]))
