"""The input pipeline of text-to-text models: tasks mixed, spans left out.

What an epoch holds, in what order and with which spans left out, is a function
of (seed, epoch): a training that was killed goes on exactly.

Shapes: `B` texts, `S` source tokens (padded), `T` target tokens (padded).
"""

import sys

import keras
import numpy as np

from keras_selfattn.data.batching import plan_batches, text_batch
from keras_selfattn.data.feeding import for_backend
from keras_selfattn.preprocessing.span_corruption import (
    corrupt_spans,
    noise_mask,
)
from keras_selfattn.preprocessing.translation_text import PAD_ID

SPANS = "spans"  # the name of span corruption among the tasks


def mixing_shares(counts, limit=None, temperature=1.0):
    """The share of each task in what is trained on.

    `r_m = min(e_m, K) / sum_n min(e_n, K)`, then `r_m^(1/T)` over their sum.

    Reference: Raffel et al. 2020 (arXiv:1910.10683), section 3.5.2.

    Args:
        counts: list of int, examples `e_m` of each task.
        limit: int, `K`, or None.
        temperature: float >= 1, `T`; the larger, the more alike.

    Returns:
        float array, their sum 1.

    Example:
        >>> mixing_shares([100, 900], limit=300)
        [0.25, 0.75]
    """
    if not len(counts) or min(counts) < 1 or temperature < 1:
        raise ValueError(
            f"counts={list(counts)}, temperature={temperature}; expected "
            "tasks of an example at least, and a temperature of 1 or more."
        )
    rates = np.minimum(counts, limit or max(counts)).astype("float64")
    rates = (rates / rates.sum()) ** (1.0 / temperature)
    return rates / rates.sum()


class TextToTextDataset(keras.utils.PyDataset):
    """Batches of several tasks, the same for the same seed and epoch.

    A batch is `({"source_ids": int32 (B, S), "target_ids": int32 (B, T)},
    labels int32 (B, T))`, padded with 0. Targets begin with 0; labels are the
    targets one token further, to the end token. The longest side of a batch,
    times `B`, is at most `batch_tokens`.

    An epoch takes from each task so many examples as its share says; where
    these are fewer than there are, the next epoch goes on with others, where
    they are more, they come again. Texts of which spans are left out (see
    `preprocessing.span_corruption`) are a task beside the others, with other
    spans in each epoch.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False`.

    Args:
        tasks: dict of a name to a list of `TextPair`.
        tokenizer: SentinelTokenizer.
        texts: iterable of str, to leave spans out of.
        batch_tokens: int.
        length_multiple: int. `S` and `T` are multiples.
        max_tokens: int. Pairs with a longer side are left out; longer texts
            are cut into pieces.
        limit: int or None, see `mixing_shares`.
        temperature: float, likewise.
        epoch_examples: int, examples of an epoch; 0: the sum of the tasks',
            each at most `limit`.
        seed: int.
        progress: bool. Report on stderr.

    Raises:
        ValueError: no example can be used, or as `mixing_shares` does.

    Example:
    ```python
    dataset = TextToTextDataset(read_tasks(entries), tokenizer)
    for epoch in range(10):
        dataset.set_epoch(epoch)
        task.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        tasks,
        tokenizer,
        texts=(),
        batch_tokens=4096,
        length_multiple=8,
        max_tokens=128,
        limit=None,
        temperature=1.0,
        epoch_examples=0,
        seed=0,
        progress=True,
    ):
        super().__init__()
        self._tokenizer = tokenizer
        self._batch_tokens = batch_tokens
        self._length_multiple = length_multiple
        self._seed = seed
        self._rows, num_long = {}, 0
        for name, pairs in tasks.items():
            rows = [
                tuple(self._ids(text) for text in (pair.source, pair.target))
                for pair in pairs
            ]
            kept = [r for r in rows if max(map(len, r)) <= max_tokens]
            num_long += len(rows) - len(kept)
            if kept:
                self._rows[name] = kept
        pieces = [
            (piece, None)
            for text in texts
            for piece in self._pieces(text, max_tokens)
        ]
        if pieces:
            self._rows[SPANS] = pieces
        if not self._rows:
            raise ValueError(
                f"No example can be used: {num_long} have more than "
                f"max_tokens={max_tokens} tokens."
            )
        counts = [len(rows) for rows in self._rows.values()]
        shares = mixing_shares(counts, limit, temperature)
        total = epoch_examples or sum(min(n, limit or n) for n in counts)
        self.counts = dict(zip(self._rows, _whole(shares, total), strict=True))
        if progress:
            parts = ", ".join(
                f"{name} {self.counts[name]:,} of {len(rows):,}"
                for name, rows in self._rows.items()
            )
            print(
                f"Examples of an epoch: {parts}; {num_long:,} have more than "
                f"{max_tokens} tokens.",
                file=sys.stderr,
            )
        self.set_epoch(0)

    def _ids(self, text):
        return np.array(
            [*self._tokenizer.encode(text), self._tokenizer.end_id], "int32"
        )

    def _pieces(self, text, max_tokens):
        """A text as pieces that a source has room for, of two tokens up."""
        ids, room = self._ids(text)[:-1], max_tokens - 1
        pieces = [ids[i : i + room] for i in range(0, len(ids), room)]
        return [piece for piece in pieces if len(piece) > 1]

    @property
    def num_target_tokens(self):
        """Tokens of this epoch's targets, ends included."""
        return sum(len(target) for _, target in self._pairs)

    @property
    def longest(self):
        """Tokens of the longest source and of the longest target."""
        longest = np.ones(2, int)
        for name, rows in self._rows.items():
            for source, target in rows:
                # A target of spans is no longer than its text and the end.
                other = source if name == SPANS else target
                longest = np.maximum(longest, [len(source), len(other)])
        return tuple(int(n) + (SPANS in self._rows) for n in longest)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes examples, spans, order and batches, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        self._pairs = []
        for number, (name, rows) in enumerate(self._rows.items()):
            chosen = _stream(
                len(rows), epoch, self.counts[name], [self._seed, 1, number]
            )
            generator = np.random.default_rng([self._seed, 2, epoch])
            for i in chosen:
                pair = rows[i]
                if name == SPANS:
                    pair = self._corrupted(pair[0], generator)
                self._pairs.append(pair)
        batches = plan_batches(
            [max(map(len, pair)) for pair in self._pairs],
            self._length_multiple,
            batch_samples=self._batch_tokens,
            generator=np.random.default_rng([self._seed, 0, epoch]),
        )
        if not 0 <= first_batch <= len(batches):
            raise ValueError(
                f"first_batch={first_batch}; there are {len(batches)} batches."
            )
        self.epoch = epoch
        self._batches = batches[first_batch:]

    def _corrupted(self, ids, generator):
        mask = noise_mask(len(ids), generator)
        sides = corrupt_spans(ids, mask, self._tokenizer.sentinel_ids)
        end = np.array([self._tokenizer.end_id], "int32")
        return tuple(np.concatenate([side, end]) for side in sides)

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        if not 0 <= index < len(self._batches):
            raise IndexError(f"batch {index} of {len(self._batches)}")
        pairs = [self._pairs[i] for i in self._batches[index].indices]
        sources, targets = zip(*pairs, strict=True)
        return text_batch(sources, targets, PAD_ID, self._length_multiple)

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)


def _whole(shares, total):
    """Shares of a total as whole numbers of that sum, one each at least."""
    exact = shares * total
    counts = np.maximum(exact.astype(int), 1)
    # What is left goes to those that lost most by rounding.
    left = max(0, total - counts.sum())
    for i in np.argsort(counts - exact, kind="stable")[:left]:
        counts[i] += 1
    return counts.tolist()


def _stream(num_rows, epoch, count, seed):
    """An epoch's part of an endless list: rows in ever new orders."""
    places = np.arange(epoch * count, (epoch + 1) * count)
    found = []
    for turn in range(places[0] // num_rows, places[-1] // num_rows + 1):
        order = np.random.default_rng([*seed, turn]).permutation(num_rows)
        found.append(order[places[places // num_rows == turn] % num_rows])
    return np.concatenate(found)
