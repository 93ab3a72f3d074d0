"""A small corpus of tones as sound files, for the tests of shards."""

import numpy as np
import soundfile

from keras_selfattn.data.corpora import SpeechExample


def write_corpus(folder, count=20, rate_hz=16000, kind="wav"):
    """Utterances of 0.4 to 1.4 seconds, each with its number in its text.

    Returns:
        list of SpeechExample.
    """
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(0)
    examples = []
    for i in range(count):
        length = int(generator.uniform(0.4, 1.4) * rate_hz)
        sound = 0.3 * generator.standard_normal(length).clip(-3, 3)
        path = folder / f"{i}.{kind}"
        soundfile.write(path, sound, rate_hz)
        text = "".join("abcdefghij"[int(digit)] for digit in str(i))
        examples.append(
            SpeechExample(path, text, f"s{i % 3}", length / rate_hz, "train")
        )
    return examples
