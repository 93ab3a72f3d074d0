"""A Moonshine that hears a fraction of a second and writes a few letters.

Nothing in it is trained: what imports, searches and files are held against.
"""

import keras
import numpy as np

from keras_selfattn.models import Moonshine
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.tasks import MoonshineRecognizer

BLANK = "\u2581"
VOCABULARY = [
    *("<unk>", "<s>", "</s>", BLANK, *"abcdefg", "."),
    *("ab", f"{BLANK}a", f"{BLANK}c", "de", f"{BLANK}ab"),
    *(f"<<ST_{i}>>" for i in range(5)),
]
MERGES = ["a b", f"{BLANK} a", f"{BLANK} c", "d e", f"{BLANK} ab"]
SIZE = len(VOCABULARY)


def moonshine(seed=0, **options):
    """Random weights, norms too, as large as to tell tokens."""
    sizes = {
        "vocabulary_size": SIZE,
        "hidden_dim": 12,
        "num_layers": (2, 1),
        "num_heads": 3,
        "intermediate_dim": 16,
        "max_sequence_length": 20,
    }
    model = Moonshine(**{**sizes, **options}, name="moonshine")
    random = np.random.default_rng(seed)
    for variable in model.weights:
        scale = 0.5 if len(variable.shape) > 1 else 0.2
        drawn = random.normal(0, scale, variable.shape)
        variable.assign(drawn + variable.path.endswith("gamma"))
    return model


def waves(lengths, seed=0):
    """Waves of noise that swells, a list of float32 `(length,)`."""
    keras.utils.set_random_seed(seed)
    random = np.random.default_rng(seed)
    return [
        (random.normal(size=n) * np.linspace(0.05, 0.5, n)).astype("float32")
        for n in lengths
    ]


def tokenizer():
    """Marks, some letters, and pieces of them."""
    return SubwordTokenizer(
        VOCABULARY,
        {"kind": "byte_fallback", "merges": MERGES},
        padding="</s>",
        unknown="<unk>",
        start=None,
        end=None,
        mask=None,
        max_tokens=20,
    )


def recognizer(seed=0, tokens_per_second=12.0, **options):
    """A recogniser of such a Moonshine."""
    model = moonshine(seed, **options)
    return MoonshineRecognizer(tokenizer(), model, tokens_per_second)
