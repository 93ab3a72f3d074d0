"""Speech to text with one .tflite file of Whisper, without Keras.

Shapes: `L` samples, `T` tokens.
"""

import time

import numpy as np

from keras_selfattn.preprocessing.audio import (
    load_samples,
    split_at_silence,
)
from keras_selfattn.preprocessing.whisper_text import text_of
from keras_selfattn.runtime.model_file import (
    ModelFile,
    model_path,
    read_metadata,
)
from keras_selfattn.runtime.transcriber import Transcriber, Transcript

REQUIRED = (
    "sampling_rate_hz",
    "vocabulary",
    "end_id",
    "max_samples",
    "signature",
)
TASK = "WhisperRecognizer"


class WhisperTranscriber:
    """Turns audio into punctuated text with an exported Whisper.

    It needs numpy, ai-edge-litert, soundfile and soxr; no Keras. Log-mel
    features, encoder and the greedy search are inside the file. Audio longer
    than the model hears at once (30 s) is cut at quiet places. One object
    serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder that holds one.
        num_threads: int >= 1; threads the interpreter may use.

    Raises:
        ModelError: not a .tflite file, not that of a Whisper, or it needs
            operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
        >>> transcriber = WhisperTranscriber("whisper.tflite")
        >>> transcriber.transcribe("speech.wav").text
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, REQUIRED, "Whisper")
        self.sampling_rate_hz = int(self.metadata["sampling_rate_hz"])
        self.vocabulary = list(self.metadata["vocabulary"])
        self.max_samples = int(self.metadata["max_samples"])
        self._end_id = int(self.metadata["end_id"])
        self._model = ModelFile(
            self.path,
            self.metadata["signature"],
            ("samples",),
            ("token_ids",),
            num_threads,
        )

    def transcribe(self, x, progress=None, search=None):
        """Return the `Transcript` of one recording.

        It has text and tokens; Whisper is asked for neither times nor
        confidences: `words` is empty, `confidence` None.

        Args:
            x: str or path of an audio file (any rate, any number of channels),
                or float samples `(L,)` at `sampling_rate_hz`.
            progress: called with (seconds done, seconds in all) after each
                piece; None for no calls.
            search: None: Whisper's file searches by itself.

        Raises:
            AudioError: the audio cannot be read, is empty, or is not finite.
            ValueError: a search is given.
        """
        if search is not None:
            raise ValueError(
                "Whisper's file searches by itself: it takes no language "
                "model, phrases, grammar or beam. Leave search out."
            )
        rate = self.sampling_rate_hz
        samples = load_samples(x, rate)  # (L,)
        duration_s = len(samples) / rate
        started = time.perf_counter()
        texts, tokens = [], []
        spans = split_at_silence(samples, rate, self.max_samples / rate)
        for start, stop in spans:
            ids = self.token_ids(samples[start:stop])
            texts.append(text_of(ids, self.vocabulary))
            tokens += [
                {"id": i, "token": self.vocabulary[i]} for i in ids.tolist()
            ]
            if progress is not None:
                progress(stop / rate, duration_s)
        elapsed = time.perf_counter() - started
        return Transcript(
            text=" ".join(text for text in texts if text),
            words=[],
            tokens=tokens,
            confidence=None,
            duration_s=duration_s,
            real_time_factor=elapsed / duration_s,
        )

    def token_ids(self, samples):
        """Run the file once: the tokens of one piece, int32 `(T,)`.

        Args:
            samples: float32 `(L,)` at `sampling_rate_hz`, L from 1 to
                `max_samples`.
        """
        # One length, so that memory is planned once.
        samples = np.pad(samples, (0, self.max_samples - len(samples)))
        ids = self._model.run(samples=samples)["token_ids"]
        return ids[ids != self._end_id]


def open_transcriber(source, num_threads=1):
    """The transcriber that a file, or a preset's folder, asks for.

    Args:
        source, num_threads: see `Transcriber`.

    Returns:
        `Transcriber`, or `WhisperTranscriber`.
    """
    path = model_path(source)  # a preset's file is hashed once
    metadata = read_metadata(path, (), "speech recogniser")
    whisper = metadata.get("task") == TASK
    return (WhisperTranscriber if whisper else Transcriber)(path, num_threads)
