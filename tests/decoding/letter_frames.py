"""Frames in which a recogniser writes a given text, surely or not."""

import numpy as np

LETTERS = ["<blank>", *" 'abcdefghijklmnopqrstuvwxyz"]
IDS = {letter: number for number, letter in enumerate(LETTERS)}


def written(text, sure=0.9, blanks=1):
    """Log-probabilities float64 `(T, V)`: a frame a letter, blanks between.

    Args:
        text: str; `_` is a blank frame of its own.
        sure: float, probability of what is written in each frame.
        blanks: int, blank frames after each letter.
    """
    path = []
    for letter in text:
        path += [0 if letter == "_" else IDS[letter], *[0] * blanks]
    frames = np.full((len(path), len(LETTERS)), (1 - sure) / 28)
    frames[np.arange(len(path)), path] = sure
    return np.log(frames)


def random_frames(num_frames, vocabulary, seed, sharpness=1.0):
    """Log-probabilities float64 `(T, V)` of nothing in particular."""
    draw = np.random.default_rng(seed)
    logits = sharpness * draw.normal(size=(num_frames, vocabulary))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
