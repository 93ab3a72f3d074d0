"""The input pipeline of masked language models: texts with hidden tokens.

Order, batches and what is hidden are a function of (seed, epoch), so that
each epoch hides other tokens and a training that was killed goes on exactly.

Shapes: `B` texts, `T` tokens (padded), `P` hidden tokens (padded).
"""

import keras
import numpy as np

from keras_selfattn.data.batching import plan_batches, round_up
from keras_selfattn.data.feeding import for_backend
from keras_selfattn.preprocessing.masking import mask_tokens

_PLACE_MULTIPLE = 8  # few shapes, so few compilations


class MaskedDataset(keras.utils.PyDataset):
    """Batches in which tokens are hidden, anew for each epoch.

    A batch is `({"token_ids": int32 (B, T)}, int32 (B, T), float32 (B, T))`:
    the texts with tokens hidden, the texts, and 1 where a token was chosen.
    With `positions` the inputs have "mask_positions", int32 `(B, P)`, too, and
    the other two are `(B, P)`, of these places alone; a text with fewer has 0
    there, and weight 0. A MaskedLM then has logits for `P` places instead of
    `T`: the same loss, and a sixth of the work of its head.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False`.

    Args:
        texts: iterable of str, or of ids as the tokenizer's `encode` gives.
        tokenizer: SubwordTokenizer with a mask.
        batch_size: int, texts of a batch (default 32); or
        batch_tokens: int, rows times padded length is at most this.
        length_multiple: int, `T` is a multiple.
        shuffle: bool.
        seed: int.
        share: float, tokens that are chosen; see `mask_tokens`.
        whole_words: bool, choose whole words.
        positions: bool, batches of the hidden places alone.

    Raises:
        ValueError: no texts, or as `mask_tokens` does.

    Example:
    ```python
    dataset = MaskedDataset(texts, task.tokenizer, whole_words=True)
    for epoch in range(10):
        dataset.set_epoch(epoch)
        task.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        texts,
        tokenizer,
        batch_size=None,
        batch_tokens=None,
        length_multiple=16,
        shuffle=True,
        seed=0,
        share=0.15,
        whole_words=False,
        positions=False,
    ):
        super().__init__()
        self._rows = [
            tokenizer.encode(text) if isinstance(text, str) else text
            for text in texts
        ]
        if not self._rows:
            raise ValueError("There is no text to make batches of.")
        if batch_size is None and batch_tokens is None:
            batch_size = 32
        self._tokenizer = tokenizer
        self._sizes = batch_size, batch_tokens
        self._length_multiple = length_multiple
        self._shuffle = shuffle
        self._seed = seed
        self._positions = positions
        self._masking = {"share": share, "whole_words": whole_words}
        self.set_epoch(0)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order, batches and hidden tokens, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        batches = plan_batches(
            [len(row) for row in self._rows],
            self._length_multiple,
            *self._sizes,
            np.random.default_rng([self._seed, epoch])
            if self._shuffle
            else None,
        )
        if not 0 <= first_batch <= len(batches):
            raise ValueError(
                f"first_batch={first_batch}; there are {len(batches)} batches."
            )
        self.epoch, self._first = epoch, first_batch
        self._batches = batches[first_batch:]

    @property
    def num_tokens(self):
        """Tokens of all texts, marks included."""
        return sum(map(len, self._rows))

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        if not 0 <= index < len(self._batches):
            raise IndexError(f"batch {index} of {len(self._batches)}")
        batch = self._batches[index]
        rows = [self._rows[i] for i in batch.indices]
        # A multiple of the length may be more than the model has positions.
        length = min(batch.padded_length, self._tokenizer.max_tokens)
        inputs = self._tokenizer.pad(rows, length)
        number = self._first + index
        generator = np.random.default_rng([self._seed, self.epoch, 1, number])
        hidden, chosen = mask_tokens(
            inputs["token_ids"], self._tokenizer, generator, **self._masking
        )
        inputs, labels = {"token_ids": hidden}, inputs["token_ids"]
        if self._positions:
            places, chosen = _places(chosen)
            labels = np.take_along_axis(labels, places, 1)
            inputs["mask_positions"] = places
        return inputs, labels, chosen.astype("float32")

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)


def _places(chosen):
    """Where rows are True, padded with 0.

    Args:
        chosen: bool `(B, T)`.

    Returns:
        int32 `(B, P)`, ascending in each row, and bool `(B, P)`, False =
        padding.
    """
    counts = chosen.sum(1)
    width = round_up(max(int(counts.max()), 1), _PLACE_MULTIPLE)
    real = np.arange(width) < counts[:, None]
    places = np.zeros(real.shape, "int32")
    places[real] = np.nonzero(chosen)[1]
    return places, real
