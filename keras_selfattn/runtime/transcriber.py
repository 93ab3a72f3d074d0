"""Speech to text with one .tflite file, without Keras.

Shapes: `L` samples, `T` output frames, `V` vocabulary entries (0 = blank).
"""

import json
import math
import time
from dataclasses import asdict, dataclass, replace

import numpy as np

from keras_selfattn.decoding.ctc import words_with_times
from keras_selfattn.preprocessing.audio import (
    check_samples,
    read_audio,
    split_at_silence,
)
from keras_selfattn.preprocessing.tokenizers import detokenize
from keras_selfattn.runtime.model_file import (
    ModelError,
    ModelFile,
    model_path,
    read_metadata,
)

REQUIRED = (
    "sampling_rate_hz",
    "vocabulary",
    "frame_seconds",
    "min_samples",
    "signature",
)
MAX_PIECE_SECONDS = 20.0


@dataclass(frozen=True)
class Transcript:
    """What was said, and how sure the model is of it.

    Args:
        text: the whole text.
        words: list of `{"word", "start_s", "end_s", "confidence"}`.
        tokens: list of `{"id", "token", "time_s", "confidence"}`; `time_s` is
            when the token starts.
        confidence: in [0, 1]; the geometric mean of the tokens' probabilities,
            0 when nothing was recognised.
        duration_s: length of the audio in seconds.
        real_time_factor: seconds of computing for each second of audio (reading
            the file is not counted); below 1 is faster than speech.
    """

    text: str
    words: list
    tokens: list
    confidence: float
    duration_s: float
    real_time_factor: float

    @property
    def token_ids(self):
        """The ids of the tokens in order, without blanks."""
        return [token["id"] for token in self.tokens]

    def moved(self, seconds):
        """Return it with all times `seconds` later."""

        def later(entry, *times):
            moved = {name: round(entry[name] + seconds, 3) for name in times}
            return {**entry, **moved}

        return replace(
            self,
            words=[later(word, "start_s", "end_s") for word in self.words],
            tokens=[later(token, "time_s") for token in self.tokens],
        )

    def to_dict(self, file=None):
        """Return plain values ready for JSON; `file` is put first if given."""
        head = {} if file is None else {"file": str(file)}
        return head | asdict(self)

    def json(self, file=None):
        """Return `to_dict(file)` as one line of ASCII JSON."""
        return json.dumps(self.to_dict(file))


class Transcriber:
    """Turns audio into text with an exported file.

    It needs numpy, ai-edge-litert, soundfile and soxr; no Keras. Audio longer
    than 20 seconds is cut at quiet places, each piece is transcribed, and times
    count from the start of the whole; audio shorter than the model's shortest
    input is padded with zeros. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder (its `model.tflite` is checked against its sha256).
        num_threads: int >= 1; threads the interpreter may use. Default 1.

    Raises:
        ModelError: not a .tflite file, not written by `task.export`, or it
            needs operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
    ```python
    from keras_selfattn import zoo
    from keras_selfattn.runtime import Transcriber

    transcriber = Transcriber(zoo.resolve("asr"))
    print(transcriber.transcribe("speech.wav").text)
    ```
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, REQUIRED, "speech recogniser")
        self.sampling_rate_hz = int(self.metadata["sampling_rate_hz"])
        self.vocabulary = list(self.metadata["vocabulary"])
        self.frame_seconds = float(self.metadata["frame_seconds"])
        self.min_samples = int(self.metadata["min_samples"])
        self._model = ModelFile(
            self.path,
            self.metadata["signature"],
            ("samples",),
            ("log_probabilities", "token_ids"),
            num_threads,
        )
        self._try_out()

    def transcribe(self, x, progress=None):
        """Return the `Transcript` of one recording.

        Args:
            x: str or path of an audio file (any rate, any number of channels),
                or float samples `(L,)` at `sampling_rate_hz`.
            progress: called with (seconds done, seconds in all) after each
                piece of at most 20 seconds; None for no calls.

        Raises:
            AudioError: the audio cannot be read, is empty, or is not finite.
        """
        rate = self.sampling_rate_hz
        if isinstance(x, str) or hasattr(x, "__fspath__"):
            samples = read_audio(x, rate)  # (L,)
        else:
            samples = check_samples(x, rate)  # (L,)
        duration_s = len(samples) / rate
        started = time.perf_counter()
        texts, words, tokens = [], [], []
        for start, stop in split_at_silence(samples, rate, MAX_PIECE_SECONDS):
            piece = self._transcribe_piece(samples[start:stop], start / rate)
            texts.append(piece[0])
            words += piece[1]
            tokens += piece[2]
            if progress is not None:
                progress(stop / rate, duration_s)
        elapsed = time.perf_counter() - started
        return Transcript(
            text=" ".join(text for text in texts if text),
            words=words,
            tokens=tokens,
            confidence=geometric_mean([t["confidence"] for t in tokens]),
            duration_s=duration_s,
            real_time_factor=elapsed / duration_s,
        )

    def emissions(self, samples):
        """Run the file once and return its two outputs, without batch axis.

        Args:
            samples: float32 `(L,)` at `sampling_rate_hz`, any L >= 1; padded
                with zeros up to `min_samples`.

        Returns:
            Token ids int32 `(T,)`, each at the frame where it starts and 0
            elsewhere, and log-probabilities float32 `(T, V)`.
        """
        missing = self.min_samples - len(samples)
        if missing > 0:
            samples = np.pad(samples, (0, missing))
        outputs = self._model.run(samples=samples)
        return outputs["token_ids"], outputs["log_probabilities"]

    def _try_out(self):
        """Run the shortest input: what the file lacks shows here."""
        silence = np.zeros(self.min_samples, "float32")
        shapes = [output.shape for output in self.emissions(silence)]
        num_frames = shapes[0][0]
        expected = [(num_frames,), (num_frames, len(self.vocabulary))]
        if shapes != expected:
            raise ModelError(
                f"{self.path} gives token_ids and log_probabilities of shapes "
                f"{shapes[0]} and {shapes[1]}; expected {expected[0]} and "
                f"{expected[1]} by the vocabulary in its metadata."
            )

    def _transcribe_piece(self, samples, offset_s):
        emitted, log_probabilities = self.emissions(samples)
        return read_emissions(
            emitted,
            log_probabilities,
            self.vocabulary,
            self.frame_seconds,
            offset_s,
        )


def read_emissions(
    emitted, log_probabilities, vocabulary, frame_seconds, offset_s=0.0
):
    """Text, words and tokens of what a file emits, as a `Transcript` has them.

    Args:
        emitted: int32 `(T,)`, each token at the frame where it starts.
        log_probabilities: float32 `(T, V)`.
        vocabulary: list of str.
        frame_seconds: float.
        offset_s: float, when the first frame is.
    """
    words = words_with_times(
        emitted, log_probabilities, vocabulary, frame_seconds
    )
    for word in words:
        for edge in ("start_s", "end_s"):
            word[edge] = round(word[edge] + offset_s, 3)
    tokens = [
        {
            "id": int(emitted[frame]),
            "token": vocabulary[emitted[frame]],
            "time_s": round(offset_s + frame * frame_seconds, 3),
            "confidence": float(
                np.exp(log_probabilities[frame, emitted[frame]])
            ),
        }
        for frame in np.flatnonzero(emitted).tolist()
    ]
    text = detokenize([t["id"] for t in tokens], vocabulary).strip()
    return text, words, tokens


def geometric_mean(values):
    """The geometric mean of probabilities; 0 of none."""
    if not values:
        return 0.0
    return math.exp(
        math.fsum(math.log(max(v, 1e-30)) for v in values) / len(values)
    )
