"""The input pipeline of translation: pairs to batches of about equal tokens.

Shape letters: `B` pairs, `S` source tokens (padded), `T` target tokens
(padded).
"""

import sys

import keras
import numpy as np

from keras_selfattn.data.batching import plan_batches, text_batch
from keras_selfattn.data.feeding import for_backend
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    best_source_ids,
    best_target_ids,
    source_ids,
    target_ids,
)


class TranslationDataset(keras.utils.PyDataset):
    """Batches of token ids, the same for the same seed and epoch.

    A batch is `({"source_ids": int32 (B, S), "target_ids": int32 (B, T)},
    labels int32 (B, T))`, padded with 0. Targets begin with `<s>`; labels
    are the targets one token further, to the end token. The longest side of
    a batch, times `B`, is at most `batch_tokens`.

    With `segmentations` above 1 each text is cut into pieces anew in each
    epoch, one of so many likeliest ways, drawn with probability `p^alpha`: the
    model sees words in several spellings, which helps where data are few.
    Reference: Kudo 2018 (arXiv:1804.10959), section 3.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False` (else Keras shuffles the batches once more, without
    a seed).

    Args:
        examples: iterable of `ParallelExample`.
        tokenizer: of the sources, see `translation_text`.
        target_tokenizer: of the targets; default: the same.
        batch_tokens: int. Defaults to 4096.
        length_multiple: int. `S` and `T` are multiples. Defaults to 4.
        max_tokens: int. Pairs with a longer side are left out. Default 128.
        segmentations: int. Ways to cut a text. Defaults to 1: the best.
        alpha: float >= 0. 0 draws all ways alike, large ones the best.
            Defaults to 0.2.
        shuffle: bool. False for evaluation: ordered by length. Default True.
        seed: int. Defaults to 0.
        progress: bool. Report on stderr. Defaults to True.

    Example:
    ```python
    dataset = TranslationDataset(clean_pairs(examples), tokenizer)
    for epoch in range(10):
        dataset.set_epoch(epoch)
        translator.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        examples,
        tokenizer,
        target_tokenizer=None,
        batch_tokens=4096,
        length_multiple=4,
        max_tokens=128,
        segmentations=1,
        alpha=0.2,
        shuffle=True,
        seed=0,
        progress=True,
    ):
        super().__init__()
        self.batch_tokens = batch_tokens
        self._length_multiple = length_multiple
        self._shuffle = shuffle
        self._seed = seed
        if segmentations < 1 or alpha < 0:
            raise ValueError(
                f"segmentations={segmentations}, alpha={alpha}; expected "
                "segmentations >= 1 and alpha >= 0."
            )
        writer = target_tokenizer or tokenizer
        self.examples, self._ways = [], []
        num_long = 0
        for example in examples:
            if segmentations == 1:
                ways = (
                    [(source_ids(tokenizer, example.source), 0.0)],
                    [(target_ids(writer, example.target), 0.0)],
                )
            else:
                ways = (
                    best_source_ids(tokenizer, example.source, segmentations),
                    best_target_ids(writer, example.target, segmentations),
                )
            if max(len(ids) for side in ways for ids, _ in side) > max_tokens:
                num_long += 1
                continue
            self.examples.append(example)
            self._ways.append([_Ways(side, alpha) for side in ways])
        if not self.examples:
            raise ValueError(
                "No pair can be used: "
                f"{num_long} have more than max_tokens={max_tokens} tokens."
            )
        if num_long and progress:
            print(
                f"{len(self.examples):,} pairs kept; {num_long:,} have more "
                f"than {max_tokens} tokens.",
                file=sys.stderr,
            )
        self.set_epoch(0)

    @property
    def num_examples(self):
        """Pairs of an epoch."""
        return len(self.examples)

    @property
    def num_target_tokens(self):
        """Tokens of all targets, ends included: labels of this epoch."""
        return sum(map(len, self._targets))

    @property
    def longest_source(self):
        """Tokens of the longest source, the end included."""
        return max(ways[0].longest for ways in self._ways)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order and batches, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        generator = np.random.default_rng([self._seed, epoch])
        drawn = generator.random((len(self._ways), 2))
        self._sources, self._targets = (
            [
                ways[side].drawn(point)
                for ways, point in zip(self._ways, drawn[:, side], strict=True)
            ]
            for side in (0, 1)
        )
        lengths = [
            max(len(source), len(target))
            for source, target in zip(self._sources, self._targets, strict=True)
        ]
        batches = plan_batches(
            lengths,
            self._length_multiple,
            batch_samples=self.batch_tokens,
            generator=generator if self._shuffle else None,
        )
        if not 0 <= first_batch <= len(batches):
            raise ValueError(
                f"first_batch={first_batch}; there are {len(batches)} batches."
            )
        self.epoch = epoch
        self._batches = batches[first_batch:]

    def __len__(self):
        return len(self._batches)

    def batch_examples(self, index):
        """The `ParallelExample`s of the rows of batch `index`, in order."""
        return [self.examples[i] for i in self._batches[index].indices]

    def __getitem__(self, index):
        if not 0 <= index < len(self._batches):
            raise IndexError(f"batch {index} of {len(self._batches)}")
        chosen = self._batches[index].indices
        return text_batch(
            [self._sources[i] for i in chosen],
            [self._targets[i] for i in chosen],
            BOS_ID,
            self._length_multiple,
        )

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)


class _Ways:
    """The ways to cut one text, and how likely each is drawn."""

    def __init__(self, ways, alpha):
        self._ids = [np.array(ids, "int32") for ids, _ in ways]
        scores = alpha * np.array([score for _, score in ways])
        shares = np.exp(scores - scores.max())
        self._bounds = np.cumsum(shares / shares.sum())[:-1]

    @property
    def longest(self):
        """Tokens of the longest way."""
        return max(map(len, self._ids))

    def drawn(self, point):
        """The ids at a point in [0, 1)."""
        return self._ids[np.searchsorted(self._bounds, point, side="right")]
