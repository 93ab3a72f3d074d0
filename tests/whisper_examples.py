"""A Whisper that hears a tenth of a second and writes a few marks and letters.

Nothing in it is trained: what imports, searches and files are held against.
"""

import keras
import numpy as np

from keras_selfattn.models import Whisper
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from keras_selfattn.preprocessing.whisper_text import filled_up
from keras_selfattn.tasks import WhisperRecognizer

MARKS = (
    "<|endoftext|> <|startoftranscript|> <|en|> <|de|> <|translate|> "
    "<|transcribe|> <|notimestamps|>"
).split()
PIECES = ["!", *"abcdefg", "\u0120", "ab", "\u0120a", "\u0120c", "de"]
MERGES = ["a b", "\u0120 a", "\u0120 c", "d e"]
SIZE = len(PIECES) + len(MARKS) + 3


def tokenizer(size=SIZE, max_tokens=20):
    """Of the pieces, the marks, and some marks of time."""
    return SubwordTokenizer(
        filled_up(PIECES + MARKS, size),
        {"kind": "byte_pair", "merges": MERGES},
        padding=MARKS[0],
        unknown=None,
        start=None,
        end=None,
        mask=None,
        max_tokens=max_tokens,
    )


def whisper(seed=0, **options):
    """Random weights, biases and norms too, as large as to tell tokens."""
    sizes = {
        "vocabulary_size": SIZE,
        "hidden_dim": 12,
        "num_layers": (2, 1),
        "num_heads": 3,
        "intermediate_dim": 16,
        "num_mel_bins": 8,
        "max_frames": 5,
        "max_sequence_length": 20,
    }
    model = Whisper(**{**sizes, **options}, name="whisper")
    random = np.random.default_rng(seed)
    for variable in model.weights:
        scale = 0.5 if len(variable.shape) > 1 else 0.2
        drawn = random.normal(0, scale, variable.shape)
        variable.assign(drawn + variable.path.endswith("gamma"))
    return model


def recognizer(language=None, seed=0, **options):
    """A recogniser of such a Whisper."""
    return WhisperRecognizer(
        tokenizer(),
        whisper(seed),
        **{
            "language": language,
            "suppressed_ids": (3,),
            "suppressed_first_ids": (8, 13),
            "max_new_tokens": 9,
            **options,
        },
    )


def sounds(count=2, num_samples=1600, seed=0):
    """Waves of noise that swells, float32 `(count, num_samples)`."""
    random = np.random.default_rng(seed)
    swelling = np.linspace(0.05, 0.5, num_samples)
    noise = random.normal(size=(count, num_samples)) * swelling
    keras.utils.set_random_seed(seed)
    return noise.astype("float32")
