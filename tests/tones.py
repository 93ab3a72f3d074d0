"""Speech of three tones, which small models learn in seconds."""

import numpy as np

RATE_HZ = 16000
TONES_HZ = {"a": 400, "b": 1100, "c": 2600}


def spoken_tones(text):
    """A tone of 0.12 s and a pause of 0.08 s a letter; a blank is 0.3 s.

    Args:
        text: str of "a", "b", "c" and blanks.

    Returns:
        float32 `(L,)` at 16 kHz.
    """
    seconds = np.arange(int(0.12 * RATE_HZ)) / RATE_HZ
    parts = [np.zeros(int(0.08 * RATE_HZ))]
    for letter in text:
        if letter == " ":
            parts.append(np.zeros(int(0.3 * RATE_HZ)))
            continue
        tone = 0.4 * np.sin(2 * np.pi * TONES_HZ[letter] * seconds)
        parts += [tone, np.zeros(int(0.08 * RATE_HZ))]
    return np.concatenate(parts).astype("float32")
