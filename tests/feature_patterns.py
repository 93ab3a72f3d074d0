"""Feature frames of three letters, which small models learn in seconds."""

import numpy as np

NUM_FEATURES = 4


def spoken_patterns(text, seed=0):
    """Eight frames of a letter's pattern and some noise, four of none between.

    Args:
        text: str of "a", "b" and "c".
        seed: int, of the noise.

    Returns:
        float32 `(12 len(text) + 4, 4)`.
    """
    generator = np.random.default_rng(seed)
    patterns = {"a": (2, 0, 0, 1), "b": (0, 2, 0, -1), "c": (0, 0, 2, 1)}
    silence = np.zeros((4, NUM_FEATURES))
    parts = [silence]
    for letter in text:
        parts += [np.tile(patterns[letter], (8, 1)), silence]
    frames = np.concatenate(parts)
    frames = frames + 0.05 * generator.normal(size=frames.shape)
    return frames.astype("float32")
