"""Batches of labelled texts and of parallel texts from prepared corpora.

Shape letters: `B` texts or pairs, `T` tokens (padded), `S` source tokens
(padded).
"""

import numpy as np

from keras_selfattn.data.batching import text_batch
from keras_selfattn.data.sharded_dataset import (
    WINDOW_EXAMPLES,
    ShardedDataset,
)
from keras_selfattn.preprocessing.text_tokenizer import pad_features
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    source_ids,
    target_ids,
)


class ShardedTexts(ShardedDataset):
    """Batches of token ids and class ids, as `TextDataset` gives them.

    Args:
        corpora: list of `ShardedCorpus` of the kind "texts".
        tokenizer: TextTokenizer without n-grams.
        labels: list of str, the classes' names.
        batch_size: int, texts of a batch.
        length_multiple: int, `T` is a multiple.
        shuffle: bool.
        window_examples: int.
        seed: int.
        workers: int. Threads that read and tokenize. Defaults to 2.
        class_weights: float `(C,)`, what a text of each class counts, a third
            array of each batch; or None.
        measurements: path of a file that keeps numbers of tokens for the
            next start; or None.
        progress: called with (texts done, texts in all), or None.

    Raises:
        ValueError: a tokenizer with n-grams, or a text whose label is not
            among the labels.

    Example:
    ```python
    corpus = ShardedCorpus("prepared/train")
    dataset = ShardedTexts([corpus], tokenizer, sorted(corpus.index["labels"]))
    ```
    """

    def __init__(
        self,
        corpora,
        tokenizer,
        labels,
        batch_size=32,
        length_multiple=8,
        shuffle=True,
        window_examples=WINDOW_EXAMPLES,
        seed=0,
        workers=2,
        class_weights=None,
        measurements=None,
        progress=None,
    ):
        super().__init__(
            corpora,
            length_multiple,
            batch_size,
            None,
            shuffle,
            0,
            window_examples,
            seed,
            workers,
        )
        if tokenizer.ngrams is not None:
            raise ValueError(
                "n-grams are for texts in memory: use TextDataset, or a "
                "tokenizer without them."
            )
        found = set().union(*(c.index["labels"] for c in self.corpora))
        if unknown := sorted(found - set(labels)):
            raise ValueError(
                f"The corpora have labels {unknown[:5]} that are not among "
                f"the classes {list(labels)}."
            )
        self._tokenizer = tokenizer
        self._places = {label: i for i, label in enumerate(labels)}
        self._weights = None
        if class_weights is not None:
            self._weights = np.asarray(class_weights, "float32")
        self._begin(tokenizer.get_config(), measurements, progress)

    @property
    def class_counts(self):
        """Examples of each class, an int array `(C,)`."""
        counts = [
            sum(corpus.index["labels"].get(label, 0) for corpus in self.corpora)
            for label in self._places
        ]
        return np.asarray(counts)

    def _features(self, row):
        text = row["text"]
        text = tuple(text) if isinstance(text, list) else text
        return self._tokenizer.features(text)

    def _measure(self, row):
        length = len(self._features(row)["token_ids"])
        return max(1, length), length

    def _arrays(self, batch):
        rows = self.read(batch.numbers)
        # A multiple of the length may be more than the model has positions.
        length = min(batch.padded_length, self._tokenizer.max_tokens)
        features = [self._features(row) for row in rows]
        class_ids = [self._places[row["label"]] for row in rows]
        class_ids = np.asarray(class_ids, "int32")
        inputs = pad_features(features, {"token_ids": length})
        if self._weights is None:
            return inputs, class_ids
        return inputs, class_ids, self._weights[class_ids]


class ShardedPairs(ShardedDataset):
    """Batches of sources and targets, as `TranslationDataset` gives them.

    Args:
        corpora: list of `ShardedCorpus` of the kind "pairs".
        tokenizer: of the sources, see `translation_text`.
        target_tokenizer: of the targets; default: the same.
        swap: bool, translate targets to sources.
        batch_tokens: int.
        length_multiple: int. `S` and `T` are multiples.
        max_tokens: int. Pairs with a longer side are left out.
        shuffle: bool.
        window_examples: int.
        seed: int.
        workers: int. Threads that read and tokenize. Defaults to 2.
        measurements: path of a file that keeps numbers of tokens for the
            next start; or None.
        progress: called with (pairs done, pairs in all), or None.

    Example:
    ```python
    dataset = ShardedPairs([ShardedCorpus("prepared/train")], tokenizer)
    ```
    """

    def __init__(
        self,
        corpora,
        tokenizer,
        target_tokenizer=None,
        swap=False,
        batch_tokens=4096,
        length_multiple=4,
        max_tokens=128,
        shuffle=True,
        window_examples=WINDOW_EXAMPLES,
        seed=0,
        workers=2,
        measurements=None,
        progress=None,
    ):
        super().__init__(
            corpora,
            length_multiple,
            None,
            batch_tokens,
            shuffle,
            0,
            window_examples,
            seed,
            workers,
        )
        self._length_multiple = length_multiple
        self._max_tokens = max_tokens
        self._swap = swap
        self._tokenizers = tokenizer, target_tokenizer or tokenizer
        configs = [part.get_config() for part in self._tokenizers]
        settings = [configs, swap, max_tokens]
        self._begin(settings, measurements, progress)

    def _ids(self, row):
        pair = row["source"], row["target"]
        source, target = pair[::-1] if self._swap else pair
        reader, writer = self._tokenizers
        return source_ids(reader, source), target_ids(writer, target)

    def _measure(self, row):
        source, target = self._ids(row)
        longest = max(len(source), len(target))
        if longest > self._max_tokens:
            return f"of more than {self._max_tokens} tokens"
        # The targets' tokens are the labels, the end included.
        return longest, len(target)

    @property
    def num_target_tokens(self):
        """Tokens of all targets, ends included: labels of an epoch."""
        return int(self._num_tokens.sum(dtype="int64"))

    @property
    def longest_source(self):
        """Tokens of the longest text of either side, the end included."""
        return int(self._lengths.max())

    def _arrays(self, batch):
        pairs = [self._ids(row) for row in self.read(batch.numbers)]
        sources, targets = (
            [np.asarray(pair[side], "int32") for pair in pairs]
            for side in (0, 1)
        )
        return text_batch(sources, targets, BOS_ID, self._length_multiple)
