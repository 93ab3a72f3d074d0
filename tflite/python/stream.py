"""Text from speech while it is spoken: one .tflite file, NumPy and LiteRT.

    pip install numpy ai-edge-litert
    python stream.py model.tflite speech.wav
    arecord -q -t raw -f S16_LE -c 1 -r 16000 | python stream.py model.tflite -
    python stream.py model.tflite --golden ../golden

A runner to read and to copy: it needs nothing of keras_selfattn but a file
that `task.export` (or `keras-selfattn export`) wrote for a recogniser that
streams. Whatever it must know stands in the file's metadata. Where the package
is at hand, use `keras_selfattn.runtime.StreamingTranscriber` instead.

Shapes: `S` samples of a chunk, `C` frames of a chunk, `V` vocabulary entries
(0 = blank).
"""

import argparse
import json
import sys
import wave
from pathlib import Path

import numpy as np

METADATA = b"keras_selfattn"
IN, OUT = "state_", "next_state_"
WORD_START = "\u2581"  # SentencePiece's mark of a blank before a piece
ENDPOINT_SECONDS = 1.0
LONGEST_SEGMENT_SECONDS = 60.0
NEEDED = ("sampling_rate_hz", "vocabulary", "frame_seconds", "stream")


class RunnerError(ValueError):
    """What cannot be used; the message is one sentence or two."""


class Recognizer:
    """A file that turns chunks of samples and states into tokens.

    What is refused with a `RunnerError` changes nothing: the stream goes on.
    """

    def __init__(self, path, num_threads=1):
        from ai_edge_litert.interpreter import Interpreter

        self.metadata = read_metadata(path)
        about = self.metadata["stream"]
        self.sampling_rate_hz = int(self.metadata["sampling_rate_hz"])
        self.vocabulary = self.metadata["vocabulary"]
        self.chunk_samples = int(about["chunk_samples"])
        self.chunk_frames = int(about["chunk_frames"])
        self.hop_samples = self.chunk_samples // self.chunk_frames
        self._specs = about["states"]
        try:
            self._interpreter = Interpreter(str(path), num_threads=num_threads)
            self._run = self._interpreter.get_signature_runner(
                about["signature"]
            )
        except (ValueError, RuntimeError) as error:
            raise RunnerError(f"{path} cannot be run: {error}") from None
        self.reset()

    def shapes(self):
        """Return the shapes of what a golden folder holds a chunk, by name."""
        frames = (self.chunk_frames,)
        return {
            "samples": (self.chunk_samples,),
            "num_samples": (),
            "token_ids": frames,
            "log_probabilities": (*frames, len(self.vocabulary)),
            **{
                f"{OUT}{name}": tuple(spec["shape"])
                for name, spec in self._specs.items()
            },
        }

    def reset(self):
        """Begin a new stream: states of zeros."""
        self.states = {
            name: np.zeros(spec["shape"], spec["dtype"])
            for name, spec in self._specs.items()
        }

    def set_states(self, states):
        """Go on from `states`, a dict of arrays by name."""
        if set(states) != set(self._specs):
            raise RunnerError(
                f"These are states of another model: {sorted(states)}; "
                f"expected {sorted(self._specs)}."
            )
        for name, value in states.items():
            spec = self._specs[name]
            if list(value.shape) != spec["shape"] or value.dtype != np.dtype(
                spec["dtype"]
            ):
                raise RunnerError(
                    f"The state {name!r} is {value.dtype} {value.shape}; "
                    f"expected {spec['dtype']} {tuple(spec['shape'])}: it is "
                    "another model's."
                )
            if not np.isfinite(value).all():
                raise RunnerError(
                    f"The state {name!r} holds NaN or infinite values; begin "
                    "anew with reset()."
                )
        self.states = {name: np.array(x) for name, x in states.items()}

    def step(self, samples):
        """Run a chunk: token ids `(T,)` and log-probabilities `(T, V)`.

        Args:
            samples: float array `(S,)` in [-1, 1]; only the last chunk of a
                stream may be shorter.
        """
        samples = np.asarray(samples, "float32")
        size = self.chunk_samples
        if samples.ndim != 1 or not 0 < len(samples) <= size:
            raise RunnerError(
                f"A chunk of shape {samples.shape} came; expected ({size},) "
                "samples, fewer only in the last chunk."
            )
        if not np.isfinite(samples).all():
            bad = int(np.count_nonzero(~np.isfinite(samples)))
            raise RunnerError(
                f"{bad} of {len(samples)} samples are NaN or infinite; the "
                "chunk was not taken."
            )
        found = self._run(
            samples=np.pad(samples, (0, size - len(samples)))[None],
            num_samples=np.array([len(samples)], "int32"),
            **{f"{IN}{name}": x for name, x in self.states.items()},
        )
        self.states = {name: found[f"{OUT}{name}"] for name in self._specs}
        valid = -(-len(samples) // self.hop_samples)
        ids, scores = found["token_ids"], found["log_probabilities"]
        return ids[0, :valid], scores[0, :valid]


class Segments:
    """Text from token ids, cut where nothing is said for a second.

    The rules stand in tflite/README.md; each runner has the same.
    """

    def __init__(self, metadata, endpoint_seconds=ENDPOINT_SECONDS):
        self._vocabulary = metadata["vocabulary"]
        self._frame_seconds = metadata["frame_seconds"]
        self._chunk_seconds = metadata["stream"]["chunk_seconds"]
        self._longest = metadata["stream"]["longest_segment_seconds"]
        self._endpoint_seconds = endpoint_seconds
        self._silent = np.array(
            [
                i == 0 or not detokenize([i], self._vocabulary)
                for i in range(len(self._vocabulary))
            ]
        )
        self._begin()

    def _begin(self):
        self._ids, self._frames, self._silent_frames = [], 0, 0

    @property
    def text(self):
        """The text of the segment that is being spoken."""
        return detokenize(self._ids, self._vocabulary)

    def add(self, ids, scores):
        """Take the frames of a chunk in; return whether the segment ends."""
        self._ids += [int(i) for i in ids if i]
        self._frames += len(ids)
        spoken = np.flatnonzero(~self._silent[scores.argmax(axis=-1)])
        if len(spoken):
            self._silent_frames = len(ids) - 1 - int(spoken[-1])
        else:
            self._silent_frames += len(ids)
        silent_s = self._silent_frames * self._frame_seconds
        length_s = self._frames * self._frame_seconds
        longest_s = self._longest or LONGEST_SEGMENT_SECONDS
        return (
            silent_s >= self._endpoint_seconds
            or length_s + self._chunk_seconds > longest_s
            or (length_s > longest_s / 2 and silent_s >= self._chunk_seconds)
        )

    def end(self):
        """End the segment; return its text and whether states begin anew."""
        text = self.text
        self._begin()
        return text, self._longest is not None


def read_metadata(path):
    """Return what a file says of itself, a dict."""
    from ai_edge_litert import schema_py_generated as schema

    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise RunnerError(f"{path}: {error.strerror}.") from None
    if content[4:8] != b"TFL3":
        raise RunnerError(f"{path} is not a .tflite file.")
    try:
        model = schema.Model.GetRootAs(content, 0)
        entries = [model.Metadata(i) for i in range(model.MetadataLength())]
        found = {entry.Name(): entry.Buffer() for entry in entries}
        text = model.Buffers(found[METADATA]).DataAsNumpy().tobytes()
        metadata = json.loads(text)
    except KeyError:
        raise RunnerError(
            f"{path} has no metadata of keras_selfattn; export it again."
        ) from None
    except Exception as error:  # flatbuffers raises whatever it meets
        raise RunnerError(f"{path} is a broken file: {error}.") from None
    missing = [key for key in NEEDED if key not in metadata]
    if missing:
        raise RunnerError(
            f"{path} is no streaming recogniser: its metadata lacks "
            f"{', '.join(missing)}."
        )
    return metadata


def detokenize(ids, vocabulary):
    """Return the text of token ids."""
    pieces = [vocabulary[i] for i in ids]
    pieces = [
        piece
        for piece in pieces
        if not (len(piece) > 2 and piece[0] == "<" and piece[-1] == ">")
    ]
    return " ".join("".join(pieces).replace(WORD_START, " ").split())


def read_wav(path, sampling_rate_hz):
    """Return a PCM WAV's samples, float32 `(L,)`, the mean of its channels."""
    try:
        with wave.open(str(path)) as file:
            rate, width = file.getframerate(), file.getsampwidth()
            channels, raw = file.getnchannels(), file.readframes(1 << 30)
    except (OSError, EOFError, wave.Error) as error:
        raise RunnerError(f"{path} is no PCM WAV file: {error}.") from None
    if rate != sampling_rate_hz:
        raise RunnerError(
            f"{path} has {rate} Hz, the model takes {sampling_rate_hz} Hz: "
            f"sox {path} -r {sampling_rate_hz} resampled.wav"
        )
    if width == 2:
        samples = np.frombuffer(raw, "<i2").astype("float32") / 32768
    elif width == 1:
        samples = (np.frombuffer(raw, "u1").astype("float32") - 128) / 128
    elif width == 3:
        bytes_of = np.frombuffer(raw, "u1").reshape(-1, 3)
        padded = np.pad(bytes_of, ((0, 0), (1, 0)))
        samples = padded.view("<i4")[:, 0].astype("float32") / 2.0**31
    else:
        samples = np.frombuffer(raw, "<i4").astype("float32") / 2.0**31
    return samples.reshape(-1, channels).mean(axis=1, dtype="float32")


def chunks_of_wav(path, recognizer):
    """Yield the chunks of a WAV file."""
    samples = read_wav(path, recognizer.sampling_rate_hz)
    for start in range(0, len(samples), recognizer.chunk_samples):
        yield samples[start : start + recognizer.chunk_samples]


def chunks_of_stdin(recognizer):
    """Yield the chunks of raw 16-bit samples at the model's rate."""
    size = 2 * recognizer.chunk_samples
    while raw := sys.stdin.buffer.read(size):
        raw = raw[: len(raw) - len(raw) % 2]
        if raw:
            yield np.frombuffer(raw, "<i2").astype("float32") / 32768


def transcribe(recognizer, chunks, endpoint_seconds, live=False):
    """Print each segment when it has ended, a line each."""
    segments = Segments(recognizer.metadata, endpoint_seconds)

    def end():
        text, anew = segments.end()
        if text:
            print(("\r\033[K" if live else "") + text, flush=True)
        if anew:
            recognizer.reset()

    for chunk in chunks:
        if segments.add(*recognizer.step(chunk)):
            end()
        elif live:
            print(f"\r\033[K{segments.text}", end="", flush=True)
    end()


def compare(recognizer, folder, tolerance=None):
    """Run a golden folder's chunks; print and return the difference.

    From zeros to the end, and once more from the states in the middle.
    """
    try:
        golden = json.loads((folder / "golden.json").read_text("utf8"))
        arrays = {
            name: np.fromfile(folder / spec["file"], spec["dtype"]).reshape(
                spec["shape"]
            )
            for name, spec in golden["arrays"].items()
        }
    except (OSError, ValueError, KeyError) as error:
        raise RunnerError(f"{folder} is no golden folder: {error}.") from None
    tolerance = golden["tolerance"] if tolerance is None else tolerance
    expected = recognizer.shapes()
    found = {name: x.shape[1:] for name, x in arrays.items()}
    if found != expected:
        wrong = sorted(set(found.items()) ^ set(expected.items()))
        raise RunnerError(
            f"{folder} is of another model ({golden['model']}): {wrong[0][0]} "
            f"has another shape. Make one: tflite/make_golden.py --preset ..."
        )
    states = {
        name.removeprefix(OUT): x
        for name, x in arrays.items()
        if name.startswith(OUT)
    }
    middle = golden["num_chunks"] // 2
    worst = {}
    for first in (0, middle):
        recognizer.reset()
        if first:
            before = {name: x[first - 1] for name, x in states.items()}
            recognizer.set_states(before)
        segments = Segments(recognizer.metadata, golden["endpoint_seconds"])
        texts = []
        for i in range(first, golden["num_chunks"]):
            count = int(arrays["num_samples"][i])
            ids, scores = recognizer.step(arrays["samples"][i, :count])
            expected = arrays["token_ids"][i, : len(ids)]
            if not np.array_equal(ids, expected):
                raise RunnerError(
                    f"Chunk {i} gave the tokens {ids.tolist()}; expected "
                    f"{expected.tolist()}."
                )
            pairs = {"log_probabilities": scores, **recognizer.states}
            wanted = {
                "log_probabilities": arrays["log_probabilities"][i, : len(ids)],
                **{name: x[i] for name, x in states.items()},
            }
            for name, found in pairs.items():
                gap = np.abs(found.astype("float64") - wanted[name]).max()
                worst[name] = max(worst.get(name, 0.0), float(gap))
            if segments.add(ids, scores):
                texts.append(segments.end()[0])
        texts.append(segments.end()[0])
        if first == 0 and [text for text in texts if text] != golden["texts"]:
            raise RunnerError(f"Texts {texts}; expected {golden['texts']}.")
    largest = max(worst.values())
    for name, gap in worst.items():
        print(f"{name} {gap:.3g}")
    print(f"chunks {golden['num_chunks']}, tokens equal, texts equal")
    print(f"largest difference {largest:.3g}, allowed {tolerance:g}")
    if not largest <= tolerance:
        raise RunnerError("The difference is larger than what is allowed.")
    return largest


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description="Speech to text, chunk by chunk."
    )
    parser.add_argument("model", help="a .tflite file that streams")
    parser.add_argument(
        "audio", nargs="?", help="a WAV file, or - for raw 16-bit samples"
    )
    parser.add_argument("--golden", type=Path, help="compare with this folder")
    parser.add_argument("--tolerance", type=float, help="largest difference")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--endpoint", type=float, default=ENDPOINT_SECONDS)
    options = parser.parse_args()
    if (options.audio is None) == (options.golden is None):
        parser.error("give a WAV file (or -), or --golden FOLDER")
    try:
        recognizer = Recognizer(options.model, options.threads)
        if options.golden:
            compare(recognizer, options.golden, options.tolerance)
        elif options.audio == "-":
            chunks = chunks_of_stdin(recognizer)
            live = sys.stdout.isatty()
            transcribe(recognizer, chunks, options.endpoint, live)
        else:
            chunks = chunks_of_wav(options.audio, recognizer)
            transcribe(recognizer, chunks, options.endpoint)
    except RunnerError as error:
        sys.exit(f"stream.py: {error}")
    except KeyboardInterrupt:
        print()


if __name__ == "__main__":
    main()
