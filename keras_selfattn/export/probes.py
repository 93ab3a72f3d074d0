"""Examples of awkward lengths, to hold an exported file against its model.

Shapes: `L` samples, `T` tokens.
"""

import numpy as np

_TOKEN_LENGTHS = (1, 2, 3, 7, 16, 17, 40, 129)


def probe_waveforms(sampling_rate_hz, min_samples):
    """Return waveforms of awkward lengths: tones that rise, and noise.

    The shortest, one more, one second, one more, and 3.0077 seconds.
    """
    lengths = [min_samples, min_samples + 1, sampling_rate_hz]
    lengths += [sampling_rate_hz + 1, int(3.0077 * sampling_rate_hz)]
    random = np.random.default_rng(0)
    waveforms = []
    for i, length in enumerate(lengths):
        seconds = np.arange(length) / sampling_rate_hz
        tone = np.sin(2 * np.pi * (200 + 100 * i + 300 * seconds) * seconds)
        noise = random.normal(size=length)
        waveforms.append((0.1 * tone + 0.01 * noise).astype("float32"))
    return waveforms


def probe_texts(vocabulary, max_tokens):
    """Return token lists of awkward lengths, from all of a vocabulary.

    Args:
        vocabulary: list of str; the first, padding, stands in none.
        max_tokens: int, the longest they may be; that length is among them.

    Returns:
        list of lists of str, several of each length.
    """
    random = np.random.default_rng(0)
    longest = min(max_tokens, 512)
    lengths = [n for n in _TOKEN_LENGTHS if n < longest] + [longest]
    return [
        [vocabulary[i] for i in random.integers(1, len(vocabulary), length)]
        for length in lengths
        for _ in range(3)
    ]
