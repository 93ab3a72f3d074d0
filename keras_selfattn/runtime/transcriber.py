"""Speech to text with one .tflite file, without Keras.

Shapes: `L` samples, `T` output frames, `V` vocabulary entries (0 = blank).
"""

import json
import math
import time
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from keras_selfattn.decoding.ctc import words_with_times
from keras_selfattn.preprocessing.audio import (
    load_samples,
    split_at_silence,
)
from keras_selfattn.preprocessing.vocabulary import detokenize
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
            0 when nothing was recognised; None where the model tells none.
        duration_s: length of the audio in seconds.
        real_time_factor: seconds of computing for each second of audio (reading
            the file is not counted); below 1 is faster than speech.
        alternatives: list of `{"text", "score"}`, best first, for each piece
            in turn; of a `SpeechSearch` only.
        command: `{"accepted", "slots", "score"}` of a grammar, else None.
    """

    text: str
    words: list
    tokens: list
    confidence: float
    duration_s: float
    real_time_factor: float
    alternatives: list = field(default_factory=list)
    command: dict | None = None

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
        """Return plain values ready for JSON; `file` is put first if given.

        `alternatives` and `command` are there where a search gave them.
        """
        head = {} if file is None else {"file": str(file)}
        values = head | asdict(self)
        for name in ("alternatives", "command"):
            if not values[name]:
                del values[name]
        return values

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

    def transcribe(self, x, progress=None, search=None):
        """Return the `Transcript` of one recording.

        Args:
            x: str or path of an audio file (any rate, any number of channels),
                or float samples `(L,)` at `sampling_rate_hz`.
            progress: called with (seconds done, seconds in all) after each
                piece of at most 20 seconds; None for no calls.
            search: `SpeechSearch`, or None for the best token of each frame.
                `command` is then that of the last piece.

        Raises:
            AudioError: the audio cannot be read, is empty, or is not finite.
        """
        rate = self.sampling_rate_hz
        samples = load_samples(x, rate)  # (L,)
        duration_s = len(samples) / rate
        started = time.perf_counter()
        pieces = []
        for start, stop in split_at_silence(samples, rate, MAX_PIECE_SECONDS):
            emitted, scores = self.emissions(samples[start:stop])
            piece = None
            if search is not None:
                piece = search.begin(self.vocabulary, self.frame_seconds)
                piece.feed(scores)
            pieces.append(
                read_piece(
                    emitted,
                    scores,
                    self.vocabulary,
                    self.frame_seconds,
                    start / rate,
                    piece,
                )
            )
            if progress is not None:
                progress(stop / rate, duration_s)
        elapsed = time.perf_counter() - started
        return join_pieces(pieces, duration_s, elapsed / duration_s)

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


def read_piece(
    emitted,
    log_probabilities,
    vocabulary,
    frame_seconds,
    offset_s=0.0,
    search=None,
):
    """What is in one piece of speech, as a dict of a `Transcript`'s parts.

    Args:
        emitted: int32 `(T,)`, each token at the frame where it starts.
        log_probabilities: float32 `(T, V)`.
        vocabulary: list of str.
        frame_seconds: float.
        offset_s: float, when the first frame is.
        search: what `SpeechSearch.begin` gave and was fed these frames, or
            None; it has the last word on `emitted`.
    """
    alternatives, command = [], None
    if search is None:
        words = words_with_times(
            emitted, log_probabilities, vocabulary, frame_seconds
        )
        ids = [int(token) for token in emitted[emitted > 0]]
        text = detokenize(ids, vocabulary).strip()
    else:
        found = search.finish()
        emitted, words, text = found.frames, found.words, found.text
        alternatives, command = found.alternatives, found.command
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
    return {
        "text": text,
        "words": words,
        "tokens": tokens,
        "alternatives": alternatives,
        "command": command,
    }


def join_pieces(pieces, duration_s, real_time_factor):
    """The `Transcript` of pieces in their order.

    Args:
        pieces: list of dicts as from `read_piece`.
        duration_s, real_time_factor: floats, see `Transcript`.
    """
    whole = {
        name: [value for piece in pieces for value in piece[name]]
        for name in ("words", "tokens", "alternatives")
    }
    commands = [piece["command"] for piece in pieces if piece["command"]]
    return Transcript(
        text=" ".join(piece["text"] for piece in pieces if piece["text"]),
        confidence=geometric_mean([t["confidence"] for t in whole["tokens"]]),
        duration_s=duration_s,
        real_time_factor=real_time_factor,
        command=commands[-1] if commands else None,
        **whole,
    )


def geometric_mean(values):
    """The geometric mean of probabilities; 0 of none."""
    if not values:
        return 0.0
    return math.exp(
        math.fsum(math.log(max(v, 1e-30)) for v in values) / len(values)
    )
