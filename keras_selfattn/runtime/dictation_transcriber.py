"""Speech to text with one .tflite file of Whisper or Moonshine, without Keras.

Shapes: `L` samples, `T` tokens.
"""

import time

import numpy as np

from keras_selfattn.preprocessing import moonshine_text, whisper_text
from keras_selfattn.preprocessing.audio import (
    load_samples,
    split_at_silence,
)
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


class DictationTranscriber:
    """Abstract: turns audio into punctuated text, written token by token.

    It needs numpy, ai-edge-litert, soundfile and soxr; no Keras. The greedy
    search is inside the file. Audio longer than the model hears at once (30 s)
    is cut at quiet places. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder that holds one.
        num_threads: int >= 1; threads the interpreter may use.

    Raises:
        ModelError: not a .tflite file, not that of such a model, or it needs
            operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.
    """

    kind = None  # str, the model's name
    task = None  # str, the class of the task that the file was exported from
    required = REQUIRED  # entries of the metadata
    text_of = None  # function of ids and the vocabulary to the text

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, self.required, self.kind)
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

        It has text and tokens; the model is asked for neither times nor
        confidences: `words` is empty, `confidence` None.

        Args:
            x: str or path of an audio file (any rate, any number of channels),
                or float samples `(L,)` at `sampling_rate_hz`.
            progress: called with (seconds done, seconds in all) after each
                piece; None for no calls.
            search: None: such a file searches by itself.

        Raises:
            AudioError: the audio cannot be read, is empty, or is not finite.
            ValueError: a search is given.
        """
        if search is not None:
            raise ValueError(
                f"{self.kind}'s file searches by itself: it takes no language "
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
            texts.append(self.text_of(ids, self.vocabulary))
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
        missing = max(self._least_samples() - len(samples), 0)
        samples = np.pad(samples, (0, missing))
        ids = self._model.run(samples=samples)["token_ids"]
        return ids[ids != self._end_id]

    def _least_samples(self):
        """Samples up to which zeros are put behind a shorter piece."""
        raise NotImplementedError(  # abstract
            f"{type(self).__name__} does not define _least_samples()."
        )


class WhisperTranscriber(DictationTranscriber):
    """Turns audio into punctuated text with an exported Whisper.

    It needs numpy, ai-edge-litert, soundfile and soxr; no Keras. Log-mel
    features, encoder and the greedy search are inside the file. Audio longer
    than the model hears at once (30 s) is cut at quiet places; what is shorter
    is followed by silence and takes as long. One object serves one thread.

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

    kind = "Whisper"
    task = "WhisperRecognizer"
    text_of = staticmethod(whisper_text.text_of)

    def _least_samples(self):
        return self.max_samples  # one length, so that memory is planned once


class MoonshineTranscriber(DictationTranscriber):
    """Turns audio into punctuated text with an exported Moonshine.

    It needs numpy, ai-edge-litert, soundfile and soxr; no Keras. The
    convolutions over samples, encoder and the greedy search are inside the
    file, and a short recording takes little time. Audio longer than the model
    hears at once (30 s) is cut at quiet places. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder that holds one.
        num_threads: int >= 1; threads the interpreter may use.

    Raises:
        ModelError: not a .tflite file, not that of a Moonshine, or it needs
            operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
        >>> transcriber = MoonshineTranscriber("moonshine.tflite")
        >>> transcriber.transcribe("speech.wav").text
    """

    kind = "Moonshine"
    task = "MoonshineRecognizer"
    required = (*REQUIRED, "min_samples")
    text_of = staticmethod(moonshine_text.text_of)

    def _least_samples(self):
        return int(self.metadata["min_samples"])


def open_transcriber(source, num_threads=1):
    """The transcriber that a file, or a preset's folder, asks for.

    Args:
        source, num_threads: see `Transcriber`.

    Returns:
        `Transcriber`, `WhisperTranscriber` or `MoonshineTranscriber`.
    """
    path = model_path(source)  # a preset's file is hashed once
    task = read_metadata(path, (), "speech recogniser").get("task")
    for transcriber in (WhisperTranscriber, MoonshineTranscriber):
        if task == transcriber.task:
            return transcriber(path, num_threads)
    return Transcriber(path, num_threads)
