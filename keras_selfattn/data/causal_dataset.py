"""The input pipeline of language models: texts to batches of token ids.

Shape letters: `B` rows, `T` tokens.
"""

import keras
import numpy as np

from keras_selfattn.data.batching import plan_batches, round_up
from keras_selfattn.data.feeding import for_backend


class TokenWindows(keras.utils.PyDataset):
    """Windows of one long text, drawn at random places.

    A batch is `({"token_ids": int32 (B, T)}, labels int32 (B, T))`: labels
    are the tokens one place further. The same for the same seed and epoch.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False`.

    Args:
        token_ids: int `(N,)`, a text of more than `window` tokens.
        window: int >= 1, `T`.
        batch_size: int, `B`.
        steps: int, batches of an epoch.
        seed: int.

    Raises:
        ValueError: for a text that is too short, or settings below 1.

    Example:
    ```python
    dataset = TokenWindows(tokenizer.encode(text), 64, 12, steps=250)
    model.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(self, token_ids, window, batch_size, steps, seed=0):
        super().__init__()
        self._ids = np.asarray(token_ids, "int32")
        if min(window, batch_size, steps) < 1 or len(self._ids) <= window:
            raise ValueError(
                f"window={window}, batch_size={batch_size}, steps={steps} and "
                f"a text of {len(self._ids)} tokens; expected at least 1 each,"
                " and a text that is longer than a window."
            )
        self._window, self._rows = window, batch_size
        self._steps, self._seed = steps, seed
        self.set_epoch(0)

    @property
    def num_tokens(self):
        """Tokens of the text."""
        return len(self._ids)

    def set_epoch(self, epoch, first_batch=0):
        """Draws the windows of an epoch; leaves out batches to resume."""
        _check_first(first_batch, self._steps)
        generator = np.random.default_rng([self._seed, epoch])
        starts = generator.integers(
            0, len(self._ids) - self._window, (self._steps, self._rows)
        )
        self.epoch = epoch
        self._starts = starts[first_batch:]

    def __len__(self):
        return len(self._starts)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        places = self._starts[index][:, np.newaxis] + np.arange(
            self._window + 1
        )
        rows = self._ids[places]  # (B, T + 1)
        return {"token_ids": rows[:, :-1]}, rows[:, 1:]

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)


class TextRows(keras.utils.PyDataset):
    """Whole texts of similar length, padded.

    Batches and use are those of TokenWindows; here `B` differs.

    Args:
        rows: list of lists of int, texts with begin and end.
        batch_tokens: int, `B T` is at most this.
        length_multiple: int, `T` is a multiple.
        max_tokens: int, longer texts are cut.
        shuffle: bool, False: ordered by length.
        seed: int.
        padding_id: int, what rows are filled with; see `CausalLM`.

    Raises:
        ValueError: without a text of two tokens.
    """

    def __init__(
        self,
        rows,
        batch_tokens=4096,
        length_multiple=8,
        max_tokens=128,
        shuffle=True,
        seed=0,
        padding_id=0,
    ):
        super().__init__()
        rows = [row[: max_tokens + 1] for row in rows if len(row) > 1]
        if not rows:
            raise ValueError(
                "There is no text of at least two tokens to learn from."
            )
        self._texts = [np.asarray(row, "int32") for row in rows]
        self._tokens, self._multiple = batch_tokens, length_multiple
        self._shuffle, self._seed = shuffle, seed
        self._padding_id = padding_id
        self.set_epoch(0)

    @property
    def num_tokens(self):
        """Labels of an epoch."""
        return sum(len(row) - 1 for row in self._texts)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes the batches of an epoch; leaves some out to resume."""
        generator = np.random.default_rng([self._seed, epoch])
        batches = plan_batches(
            [len(row) - 1 for row in self._texts],
            self._multiple,
            batch_samples=self._tokens,
            generator=generator if self._shuffle else None,
        )
        _check_first(first_batch, len(batches))
        self.epoch = epoch
        self._batches = batches[first_batch:]

    def __len__(self):
        return len(self._batches)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        batch = self._batches[index]
        width = round_up(batch.padded_length, self._multiple)
        shape = (len(batch.indices), width + 1)
        ids = np.full(shape, self._padding_id, "int32")
        for place, i in enumerate(batch.indices):
            ids[place, : len(self._texts[i])] = self._texts[i]
        return {"token_ids": ids[:, :-1]}, ids[:, 1:]

    def batches(self):
        """Yields the epoch's batches in order."""
        for index in range(len(self)):
            yield self[index]

    def for_backend(self):
        """What `fit` takes on this backend; ask anew after `set_epoch`."""
        return for_backend(self)


def _check_first(first_batch, number):
    if not 0 <= first_batch <= number:
        raise ValueError(
            f"first_batch={first_batch}; there are {number} batches."
        )
