"""A tiny language pair: number words and their digits."""

import numpy as np

from keras_selfattn.data.parallel_corpora import ParallelExample
from keras_selfattn.preprocessing.sentencepiece_tokenizer import (
    SentencePieceTokenizer,
)
from keras_selfattn.preprocessing.translation_text import SPECIAL_TOKENS

WORDS = "zero one two three four five six seven eight nine".split()


def number_pairs(count, seed=0, longest=5):
    """Pairs such as "two one" and "2 1", all different."""
    generator = np.random.default_rng(seed)
    found = {}
    while len(found) < count:
        digits = generator.integers(10, size=generator.integers(1, longest + 1))
        source = " ".join(WORDS[digit] for digit in digits)
        found[source] = " ".join(map(str, digits))
    return [ParallelExample(*pair, "train") for pair in found.items()]


def number_tokenizer(texts=None, vocabulary_size=40):
    """Of both languages, or of the texts given."""
    if texts is None:
        pairs = number_pairs(200)
        texts = [pair.source for pair in pairs]
        texts += [pair.target for pair in pairs]
    return SentencePieceTokenizer.train(
        texts, vocabulary_size, SPECIAL_TOKENS, keep_unknown=True
    )
