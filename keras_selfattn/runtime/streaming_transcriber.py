"""Speech to text while it is spoken, with one .tflite file, without Keras.

Shapes: `L` samples, `S` samples of a chunk, `T` frames, `V` vocabulary
entries (0 = blank).
"""

import hashlib
import time
from collections import deque

import numpy as np

from keras_selfattn.preprocessing.audio import AudioError, check_samples
from keras_selfattn.preprocessing.vocabulary import detokenize
from keras_selfattn.runtime.model_file import (
    ModelError,
    ModelFile,
    model_path,
    read_metadata,
)
from keras_selfattn.runtime.second_pass import (
    LONGEST_SEGMENT_SECONDS as LONGEST_HEARD_AGAIN_SECONDS,
)
from keras_selfattn.runtime.second_pass import SecondPass
from keras_selfattn.runtime.transcriber import (
    Transcriber,
    join_pieces,
    read_piece,
)

REQUIRED = ("sampling_rate_hz", "vocabulary", "frame_seconds", "stream")
IN, OUT = "state_", "next_state_"
LONGEST_SEGMENT_SECONDS = 60.0
KEPT_SEGMENTS = 1000  # closed and not taken; some hours of speech


class StreamingTranscriber:
    """Turns speech into text as it comes, chunk by chunk.

    `feed` takes any number of samples, keeps what makes no whole chunk yet,
    and returns the text of the segment that is being spoken. A segment ends
    where nothing is said for `endpoint_seconds`, or after a minute at most
    (20 seconds where the model knows no more; then in a pause, if there is
    one); `take_segments` gives the ended ones, with times that count from the
    beginning of the stream. `finish` takes the last samples in. What was
    refused with an error changed nothing: the stream goes on.

    With a `second_pass`, the text of an ended segment is what full context
    makes of it, and the text before that a first guess; see `SecondPass`.

    Memory does not grow with the length of the stream. One object serves one
    stream at a time, on one thread.

    Args:
        source: str or path of a .tflite file with the signature `stream`, or
            of a preset folder.
        num_threads: int >= 1; threads the interpreter may use.
        endpoint_seconds: float > 0, or None for segments that end at their
            greatest length only.
        second_pass: bool, hear each ended segment again by the file's
            `transcribe`; or a Transcriber of the same sampling rate, to do so.
            Segments are then 20 seconds long at most.
        search: `SpeechSearch`, or None for the best token of each frame. A
            beam takes frames as they come; a grammar answers when a segment
            has ended, and until then `text` is that of the best tokens.

    Raises:
        ModelError: not a file of `task.export`, or of a recogniser whose
            encoder does not stream.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
    ```python
    stream = StreamingTranscriber("asr.tflite")
    for samples in microphone:  # float32, any length, at sampling_rate_hz
        print(stream.feed(samples))
        for segment in stream.take_segments():
            print(segment.text)
    print(stream.finish().text)
    ```
    """

    def __init__(
        self,
        source,
        num_threads=1,
        endpoint_seconds=1.0,
        second_pass=False,
        search=None,
    ):
        if endpoint_seconds is not None and not endpoint_seconds > 0:
            raise ValueError(
                f"endpoint_seconds is {endpoint_seconds!r}; expected a number "
                "> 0, or None for no end at silence."
            )
        self.path = model_path(source)
        self.metadata = read_metadata(
            self.path, REQUIRED, "streaming speech recogniser"
        )
        about = self.metadata["stream"]
        self.sampling_rate_hz = int(self.metadata["sampling_rate_hz"])
        self.vocabulary = list(self.metadata["vocabulary"])
        self.frame_seconds = float(self.metadata["frame_seconds"])
        self.chunk_samples = int(about["chunk_samples"])
        self.chunk_seconds = self.chunk_samples / self.sampling_rate_hz
        self.latency_ms = float(about["latency_ms"])
        self.endpoint_seconds = endpoint_seconds
        self.search = search
        self._chunk_frames = int(about["chunk_frames"])
        self._shapes = about["states"]
        self._longest_s = about["longest_segment_seconds"]
        self._silent = np.array(
            [
                i == 0 or not detokenize([i], self.vocabulary)
                for i in range(len(self.vocabulary))
            ]
        )  # (V,): such a token is no speech
        self._model = ModelFile(
            self.path,
            about["signature"],
            [
                "samples",
                "num_samples",
                *(f"{IN}{name}" for name in self._shapes),
            ],
            [
                "token_ids",
                "log_probabilities",
                *(f"{OUT}{name}" for name in self._shapes),
            ],
            num_threads,
        )
        self._second = None
        if second_pass:
            if second_pass is True:
                second_pass = Transcriber(self.path, num_threads)
            self._second = SecondPass(
                second_pass, self.sampling_rate_hz, search
            )
        self.reset()
        self._try_out()

    def reset(self):
        """Begin a new stream; what was not taken is forgotten."""
        self._states = self._zeros()
        self._waiting = np.zeros(0, "float32")
        self._frames = 0  # of the stream so far
        self._num_samples = 0  # of the stream so far
        self._segments = deque(maxlen=KEPT_SEGMENTS)
        self._finished = False
        if self._second is not None:
            self._second.reset()
        self._begin_segment()

    @property
    def text(self):
        """The text of the segment that is being spoken."""
        text = None if self._piece is None else self._piece.text
        if text is not None:
            return text
        return detokenize(self._ids[self._ids > 0], self.vocabulary).strip()

    def feed(self, samples, sampling_rate_hz=None):
        """Take samples in and return the text of the segment so far.

        Args:
            samples: float array `(L,)` in [-1, 1], any L >= 0.
            sampling_rate_hz: int, their rate, to be on the safe side; another
                one than the model's is refused.

        Raises:
            AudioError: samples that cannot be used; none of them was taken.
        """
        self._check_open()
        rate = self.sampling_rate_hz
        if sampling_rate_hz is not None and sampling_rate_hz != rate:
            raise AudioError(
                f"samples at {sampling_rate_hz} Hz were fed, but {self.path} "
                f"takes {rate} Hz; resample them, or record at {rate} Hz."
            )
        if np.shape(samples) != (0,):
            samples = check_samples(samples, rate)
            samples = np.concatenate([self._waiting, samples])
            size, start = self.chunk_samples, 0
            try:
                while len(samples) - start >= size:
                    self._run(samples[start : start + size])
                    start += size
            finally:  # a copy, so that nothing long stays in memory
                self._waiting = samples[start:].copy()
        return self.text

    def take_segments(self):
        """Return the `Transcript`s of ended segments, and forget them.

        Of those that are never taken, the last thousand are kept.
        """
        taken = list(self._segments)
        self._segments.clear()
        return taken

    def finish(self):
        """End the stream; return the `Transcript` of all that was not taken.

        Its `duration_s` is that of the segments with text in them. `reset`
        begins a new stream.
        """
        self._check_open()
        if len(self._waiting):
            self._run(self._waiting)
        self._end_segment()
        self._finished = True
        segments = self.take_segments()
        duration_s = sum(segment.duration_s for segment in segments)
        computed_s = sum(
            segment.duration_s * segment.real_time_factor
            for segment in segments
        )
        return join_pieces(
            [vars(segment) for segment in segments],
            duration_s,
            computed_s / duration_s if duration_s else 0.0,
        )

    def snapshot(self):
        """Return the stream as a dict of arrays, to go on with `restore`.

        In another process, too: `np.savez(path, **stream.snapshot())`. Ended
        segments are not in it. Where there is a second pass, the samples of
        the segment that is being spoken are.
        """
        self._check_open()
        second = {}
        if self._second is not None:
            second = {
                "heard": self._second.samples,
                "lead": np.array(self._second.lead_samples),
            }
        return {
            **second,
            "model": np.array(self._digest()),
            "counts": np.array(
                [
                    self._frames,
                    self._num_samples,
                    self._first_frame,
                    self._silent_frames,
                ]
            ),
            "waiting": self._waiting,
            "token_ids": self._ids,
            "log_probabilities": self._scores,
            **{f"{IN}{name}": value for name, value in self._states.items()},
        }

    def restore(self, snapshot):
        """Go on with a stream where `snapshot` was taken.

        Args:
            snapshot: dict, or what `np.load` gives.

        Raises:
            ModelError: it is of another model, or none; this stream is left
                as it is.
        """
        names = ["model", "counts", "waiting", "token_ids", "log_probabilities"]
        missing = [
            name
            for name in [*names, *(f"{IN}{name}" for name in self._shapes)]
            if name not in snapshot
        ]
        if missing or str(snapshot["model"]) != self._digest():
            lack = f" (it lacks {', '.join(missing)})" if missing else ""
            raise ModelError(
                f"This is the state of another model than {self.path}{lack}; "
                "give what snapshot() of this file gave, or begin anew with "
                "reset()."
            )
        states = {
            name: np.array(snapshot[f"{IN}{name}"]) for name in self._shapes
        }
        self._check_states(states)
        if self._second is not None and "heard" not in snapshot:
            raise ModelError(
                "This is the state of a stream without a second pass; open "
                f"{self.path} with second_pass=False to go on with it."
            )
        self.reset()
        if self._second is not None:
            self._second.reset(snapshot["heard"], snapshot["lead"])
        self._states = states
        self._waiting = np.array(snapshot["waiting"])
        self._ids = np.array(snapshot["token_ids"])
        self._scores = np.array(snapshot["log_probabilities"])
        if self._piece is not None:
            self._piece.feed(self._scores)
        counts = (int(count) for count in snapshot["counts"])
        (
            self._frames,
            self._num_samples,
            self._first_frame,
            self._silent_frames,
        ) = counts

    def _check_states(self, states):
        for name, value in states.items():
            shape, dtype = (
                self._shapes[name]["shape"],
                self._shapes[name]["dtype"],
            )
            if list(value.shape) != shape or value.dtype != dtype:
                raise ModelError(
                    f"The state {name!r} is {value.dtype} {value.shape}; "
                    f"{self.path} has {dtype} {tuple(shape)}: it is another "
                    "model's."
                )
            if not np.isfinite(value).all():
                raise ModelError(
                    f"The state {name!r} holds NaN or infinite values; begin "
                    "anew with reset()."
                )

    def _digest(self):
        return hashlib.sha256(self.path.read_bytes()).hexdigest()

    def _check_open(self):
        if self._finished:
            raise ValueError(
                "This stream is finished; begin a new one with reset()."
            )

    def _zeros(self):
        return {
            name: np.zeros(spec["shape"], spec["dtype"])
            for name, spec in self._shapes.items()
        }

    def _step(self, samples):
        """Run the file: token ids `(T,)`, scores `(T, V)`, next states."""
        missing = self.chunk_samples - len(samples)
        found = self._model.run_rows(
            samples=np.pad(samples, (0, missing))[None],
            num_samples=np.array([len(samples)], "int32"),
            **{f"{IN}{name}": value for name, value in self._states.items()},
        )
        states = {name: found[f"{OUT}{name}"] for name in self._shapes}
        return found["token_ids"][0], found["log_probabilities"][0], states

    def _run(self, samples):
        started = time.perf_counter()
        ids, scores, states = self._step(samples)
        self._states = states
        hop = self.chunk_samples // self._chunk_frames
        valid = -(-len(samples) // hop)
        self._ids = np.concatenate([self._ids, ids[:valid]])
        self._scores = np.concatenate([self._scores, scores[:valid]])
        if self._piece is not None:
            self._piece.feed(scores[:valid])
        self._frames += valid
        self._num_samples += len(samples)
        if self._second is not None:
            self._second.add(samples)
        spoken = np.flatnonzero(~self._silent[scores[:valid].argmax(axis=-1)])
        if len(spoken):
            self._silent_frames = int(valid - 1 - spoken[-1])
        else:
            self._silent_frames += valid
        self._computed_s += time.perf_counter() - started
        if self._is_at_end():
            self._end_segment()

    def _is_at_end(self):
        """Whether the segment ends here."""
        silent_s = self._silent_frames * self.frame_seconds
        endpoint_s = self.endpoint_seconds
        if endpoint_s is not None and silent_s >= endpoint_s:
            return True
        longest_s = self._longest_s or LONGEST_SEGMENT_SECONDS
        if self._second is not None:
            longest_s = min(longest_s, LONGEST_HEARD_AGAIN_SECONDS)
        length_s = len(self._ids) * self.frame_seconds
        if length_s + self.chunk_seconds > longest_s:
            return True
        return length_s > longest_s / 2 and silent_s >= self.chunk_seconds

    def _begin_segment(self):
        self._ids = np.zeros(0, "int32")
        self._scores = np.zeros((0, len(self.vocabulary)), "float32")
        self._first_frame = self._frames
        self._silent_frames = 0
        self._computed_s = 0.0
        self._piece = None
        if self.search is not None:
            self._piece = self.search.begin(self.vocabulary, self.frame_seconds)

    def _end_segment(self):
        if self.text:
            heard = self._heard()
            # A second pass may hear that nothing was said; that a grammar does
            # not know what was said is told.
            if heard.text or heard.command:
                self._segments.append(heard)
        if self._second is not None:
            self._second.next_segment(self._silent_frames * self.frame_seconds)
        if self._longest_s is not None:
            # It counts positions from a beginning: this is a new one.
            self._states = self._zeros()
        self._begin_segment()

    def _heard(self):
        """The `Transcript` of the segment, which ends here."""
        started = time.perf_counter()
        start_s = self._first_frame * self.frame_seconds
        if self._second is not None:
            piece = vars(self._second.read(start_s))
        else:
            piece = read_piece(
                self._ids,
                self._scores,
                self.vocabulary,
                self.frame_seconds,
                start_s,
                self._piece,
            )
        computed_s = self._computed_s + time.perf_counter() - started
        duration_s = self._num_samples / self.sampling_rate_hz - start_s
        return join_pieces([piece], duration_s, computed_s / duration_s)

    def _try_out(self):
        """Run a chunk of silence: what the file lacks shows here."""
        ids, scores, states = self._step(
            np.zeros(self.chunk_samples, "float32")
        )
        expected = (self._chunk_frames, len(self.vocabulary))
        if ids.shape != expected[:1] or scores.shape != expected:
            raise ModelError(
                f"{self.path} gives token_ids and log_probabilities of shapes "
                f"{ids.shape} and {scores.shape} for a chunk; expected "
                f"{expected[:1]} and {expected} by its metadata."
            )
        self._check_states(states)
