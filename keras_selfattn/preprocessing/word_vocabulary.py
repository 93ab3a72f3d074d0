"""Texts to word ids: the simplest vocabulary that classifies English.

Shapes: `B` texts, `T` words.
"""

import re
from collections import Counter

import numpy as np

PADDING, UNKNOWN = 0, 1
_WORD = re.compile(r"\w+(?:'\w+)*|[.,!?]")


def split_words(text):
    """Lower-case words of a text; `. , ! ?` count as words, too.

    Example:
    ```python
    split_words("It's fine, isn't it?")
    # ["it's", "fine", ",", "isn't", "it", "?"]
    ```
    """
    return _WORD.findall(text.lower().replace("\u2019", "'"))


class WordVocabulary:
    """Word ids: 0 is padding, 1 any word that has no id.

    Args:
        words: list of str. The words with an id, from id 2 on.

    Example:
    ```python
    vocabulary = WordVocabulary.build(texts, vocabulary_size=10000)
    token_ids, padding_mask = vocabulary.batch(texts, length=256)
    ```
    """

    def __init__(self, words):
        self.words = list(words)
        if len(set(self.words)) != len(self.words):
            raise ValueError("words holds a word twice; expected each once.")
        self._ids = {word: i for i, word in enumerate(self.words, start=2)}

    @classmethod
    def build(cls, texts, vocabulary_size):
        """The most frequent words of texts; of equals, the first in order.

        Args:
            texts: iterable of str.
            vocabulary_size: int, number of ids, padding and unknown included.
        """
        if vocabulary_size < 3:
            raise ValueError(
                f"vocabulary_size={vocabulary_size} leaves no id for a word "
                "beside padding and unknown; expected 3 or more."
            )
        counts = Counter()
        for text in texts:
            counts.update(split_words(text))
        ranked = sorted(counts, key=lambda word: (-counts[word], word))
        return cls(ranked[: vocabulary_size - 2])

    @property
    def vocabulary_size(self):
        """Number of ids, padding and unknown included."""
        return len(self.words) + 2

    def encode(self, text):
        """Ids of a text's words."""
        return [self._ids.get(word, UNKNOWN) for word in split_words(text)]

    def batch(self, texts, length):
        """Ids of texts, cut or padded to `length` words.

        Returns:
            int32 `(B, T)` and bool `(B, T)`, True = a word. A text without
            words has one unknown word.
        """
        token_ids = np.full((len(texts), length), PADDING, "int32")
        for row, text in zip(token_ids, texts, strict=True):
            ids = self.encode(text)[:length] or [UNKNOWN]
            row[: len(ids)] = ids
        return token_ids, token_ids != PADDING

    def get_config(self):
        """JSON-able dict of the constructor's arguments."""
        return {"words": self.words}
