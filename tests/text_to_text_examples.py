"""Tiny text-to-text tasks: number words, turned round or as digits."""

import functools

import numpy as np

from keras_selfattn.data.text_to_text_tasks import TextPair
from keras_selfattn.preprocessing.sentinel_tokenizer import SentinelTokenizer

WORDS = "zero one two three four five six seven eight nine".split()


def word_texts(count, seed=0, longest=5):
    """Texts of number words, such as "two one"."""
    random = np.random.default_rng(seed)
    return [
        " ".join(random.choice(WORDS, random.integers(1, longest + 1)))
        for _ in range(count)
    ]


@functools.cache
def sentinel_tokenizer(digits=False):
    """A tokenizer with ten sentinels; with digits also of the tasks below."""
    texts = word_texts(200)
    if not digits:
        return SentinelTokenizer.train(texts, 38, 10)
    texts += [
        text
        for pair in word_tasks(100)["digits"] + word_tasks(100)["back"]
        for text in (pair.source, pair.target)
    ]
    return SentinelTokenizer.train(texts, 60, 10)


def word_tasks(count, seed=0):
    """Two tasks: "digits: two one" is "2 1", "back: two one" "one two"."""
    texts = list(dict.fromkeys(word_texts(4 * count, seed, longest=3)))[:count]
    return {
        "digits": [
            TextPair(
                f"digits: {text}",
                " ".join(str(WORDS.index(word)) for word in text.split()),
            )
            for text in texts
        ],
        "back": [
            TextPair(f"back: {text}", " ".join(text.split()[::-1]))
            for text in texts
        ],
    }
