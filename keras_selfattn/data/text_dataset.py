"""The input pipeline of text classification: texts to padded batches.

Batches are a function of (seed, epoch), so that a training that was killed
goes on exactly; see `speech_dataset`.

Shapes: `B` texts, `T` tokens (padded), `G` n-grams (padded).
"""

import keras
import numpy as np

from keras_selfattn.data.batching import plan_batches, round_up
from keras_selfattn.data.feeding import as_tf_dataset, for_backend
from keras_selfattn.preprocessing.text_tokenizer import pad_features

_CHARACTER_MULTIPLE = 128


class TextDataset(keras.utils.PyDataset):
    """Batches of token ids and class ids, the same for the same seed and epoch.

    A batch is `({"token_ids": int32 (B, T)}, class ids int32 (B,))`, with
    n-grams also `"ngram_ids": int32 (B, G)`. Texts of similar length meet;
    there are few different shapes.

    Call `set_epoch(epoch)` before each epoch and run it as its own `fit`,
    with `shuffle=False` (else Keras shuffles the batches once more, without
    a seed).

    Args:
        examples: iterable of `TextExample`.
        tokenizer: TextTokenizer.
        labels: list of str, the classes' names.
        batch_size: int, texts of a batch (default 32); or
        batch_tokens: int, rows times padded length is at most this.
        length_multiple: int, `T` is a multiple.
        shuffle: bool. False for evaluation: ordered by length.
        seed: int.
        soft_targets: float `(N, C)`, probabilities of the classes for each
            example, in place of class ids; or None.
        sample_weights: float `(N,)`, a third array of each batch; or None.
        progress: called with (texts done, texts in all), or None.

    Raises:
        ValueError: no examples, or one whose label is not among the labels.

    Example:
    ```python
    dataset = TextDataset(examples, tokenizer, labels)
    for epoch in range(10):
        dataset.set_epoch(epoch)
        task.fit(dataset.for_backend(), shuffle=False)
    ```
    """

    def __init__(
        self,
        examples,
        tokenizer,
        labels,
        batch_size=None,
        batch_tokens=None,
        length_multiple=8,
        shuffle=True,
        seed=0,
        soft_targets=None,
        sample_weights=None,
        progress=None,
    ):
        super().__init__()
        self.examples = list(examples)
        if not self.examples:
            raise ValueError("There is no example to make batches of.")
        if batch_size is None and batch_tokens is None:
            batch_size = 32
        places = {label: i for i, label in enumerate(labels)}
        found = {example.label for example in self.examples}
        if unknown := sorted(found - set(places)):
            raise ValueError(
                f"The examples have labels {unknown[:5]} that are not among "
                f"the classes {list(labels)}."
            )
        self.class_ids = np.asarray(
            [places[example.label] for example in self.examples], "int32"
        )
        self._targets = self.class_ids
        self._num_classes = len(places)
        if soft_targets is not None:
            shape = (len(self.examples), len(places))
            self._targets = _checked("soft_targets", soft_targets, shape)
        self._weights = None
        if sample_weights is not None:
            shape = (len(self.examples),)
            self._weights = _checked("sample_weights", sample_weights, shape)
        self._rows = []
        for i, example in enumerate(self.examples, start=1):
            self._rows.append(tokenizer.features(example.text))
            if progress is not None and i % 1000 == 0:
                progress(i, len(self.examples))
        self._ngrams = tokenizer.ngrams
        self._longest = tokenizer.max_tokens
        self._sizes = batch_size, batch_tokens
        self._length_multiple = length_multiple
        self._shuffle = shuffle
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch, first_batch=0):
        """Fixes order and batches, exactly, for an epoch.

        Args:
            epoch: int, from 0.
            first_batch: int. Leave out the batches before it, to resume.
        """
        batches = plan_batches(
            [len(row["token_ids"]) for row in self._rows],
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
        self.epoch = epoch
        self._batches = batches[first_batch:]

    @property
    def num_examples(self):
        """Texts of an epoch."""
        return len(self.examples)

    @property
    def class_counts(self):
        """Examples of each class, an int array `(C,)`."""
        return np.bincount(self.class_ids, minlength=self._num_classes)

    @property
    def ngram_rows(self):
        """Ids of each example's n-grams, int32 `(G,)`, in their order."""
        return [row["ngram_ids"] for row in self._rows]

    def __len__(self):
        return len(self._batches)

    def batch_examples(self, index):
        """The `TextExample`s of the rows of batch `index`, in order."""
        return [self.examples[i] for i in self._batches[index].indices]

    def __getitem__(self, index):
        if not 0 <= index < len(self._batches):
            raise IndexError(f"batch {index} of {len(self._batches)}")
        batch = self._batches[index]
        rows = [self._rows[i] for i in batch.indices]
        # A multiple of the length may be more than the model has positions.
        length = min(batch.padded_length, self._longest)
        widths = {"token_ids": length}
        if self._ngrams is not None:
            widths["ngram_ids"] = self._ngram_width(rows, length)
        inputs = pad_features(rows, widths)
        places = list(batch.indices)
        if self._weights is None:
            return inputs, self._targets[places]
        return inputs, self._targets[places], self._weights[places]

    def _ngram_width(self, rows, padded_length):
        if self._ngrams["unit"] == "tokens":
            return len(self._ngrams["orders"]) * padded_length
        longest = max(len(row["ngram_ids"]) for row in rows)
        return round_up(longest, _CHARACTER_MULTIPLE)

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


def _checked(name, values, shape):
    values = np.asarray(values, "float32")
    if values.shape != shape:
        raise ValueError(
            f"{name} has shape {values.shape}; expected {shape}, a row an "
            "example."
        )
    return values
