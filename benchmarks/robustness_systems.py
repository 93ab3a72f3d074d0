"""One recogniser in a process of its own, asked for one recording at a time.

`robustness.py` starts it with `keras_selfattn.measuring.Child`. The systems
are those of `asr_systems.py`, ours with the preset's language model, and ours
beside Whisper's weights.
"""

import asr_systems
import numpy as np

from keras_selfattn.measuring import serve


def load_ours_with_language_model(model: str):
    """Our file with a prefix beam and its preset's language model."""
    from keras_selfattn.runtime import SpeechSearch, Transcriber
    from keras_selfattn.runtime.speech_search import preset_language_model

    transcriber = Transcriber(model, num_threads=asr_systems.THREADS)
    search = SpeechSearch(language_model=preset_language_model(model))
    return lambda samples: transcriber.transcribe(samples, search=search).text


ADAPTERS = "asr_whisper_tiny_en_learners"


def load_ours_with_adapters(model: str):
    """The int8 file of our adapters beside Whisper tiny.en, made once."""
    from keras_selfattn import zoo
    from keras_selfattn.runtime import WhisperTranscriber

    path = zoo.device_file(ADAPTERS)
    transcriber = WhisperTranscriber(path, num_threads=asr_systems.THREADS)
    return lambda samples: transcriber.transcribe(samples).text


SYSTEMS = asr_systems.SYSTEMS | {
    "ours-lm": load_ours_with_language_model,
    "ours-adapters": load_ours_with_adapters,
}


class Hearing:
    """A system that was loaded, and what it hears."""

    def load(self, system, model):
        """Loads a system; `model` is the path of our file."""
        self.transcribe = SYSTEMS[system](
            model if system.startswith("ours") else ""
        )
        return {}

    def hear(self, path):
        """Texts of an .npz file's recordings, in order of their names."""
        with np.load(path) as recordings:
            return {
                "texts": [
                    self.transcribe(recordings[name])
                    for name in sorted(recordings)
                ]
            }


if __name__ == "__main__":
    hearing = Hearing()
    serve({"load": hearing.load, "hear": hearing.hear})
