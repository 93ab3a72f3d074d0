"""What a recogniser computes of a chunk of a stream, in `keras.ops`.

A stream is cut into chunks of `chunk_samples(recognizer)` samples. `step`
takes one, and a state of named tensors, and gives the frames of that chunk
and the next state. Nothing behind the chunk is needed: the algorithmic
latency is the chunk. A stream begins with a state of zeros.

Shapes: `L` samples of a stream, `S` samples of a chunk, `C` frames of a
chunk, `V` vocabulary.
"""

import functools

import keras
import numpy as np
from keras import ops

from keras_selfattn.export.signature import PartCheck

IN, OUT = "state_", "next_state_"


def chunk_samples(recognizer):
    """Samples of a chunk: `chunk_frames` encoder frames."""
    hop = recognizer.frontend.hop_length_samples
    return recognizer.chunk_frames * recognizer.encoder.stride * hop


def left_samples(recognizer):
    """Samples before a chunk that its first frame sees, in whole hops."""
    framing = recognizer.frontend.framing
    hop = framing.hop_length_samples
    return -(-framing.left_samples // hop) * hop


def state_shapes(recognizer):
    """The state: dict of name to (shape, dtype).

    "samples" `(1, left_samples)`; those of `ConformerEncoder.state_shapes`;
    "last_id" int32 `(1,)`, the best token of the last frame.
    """
    shapes = {}
    if left_samples(recognizer):
        shapes["samples"] = (1, left_samples(recognizer)), "float32"
    shapes |= recognizer.encoder.state_shapes()
    return {**shapes, "last_id": ((1,), "int32")}


def empty_state(recognizer):
    """The state before a stream begins: arrays of zeros."""
    return {
        name: np.zeros(shape, dtype)
        for name, (shape, dtype) in state_shapes(recognizer).items()
    }


def step(recognizer, samples, num_samples, state):
    """The frames of one chunk.

    Args:
        recognizer: a SpeechRecognizer whose encoder streams.
        samples: float32 `(1, S)`.
        num_samples: int32 `(1,)`, how many of them are real; fewer than S
            only in the last chunk of a stream.
        state: dict of tensors; see `state_shapes`.

    Returns:
        token_ids, int32 `(1, C)` (each token at the frame where it starts, 0
        elsewhere, as in a whole recording), log_probabilities, float32
        `(1, C, V)`, and the next state, a dict. Frames from
        `output_lengths(num_samples)` on mean nothing.
    """
    state = {name: ops.convert_to_tensor(x) for name, x in state.items()}
    samples = ops.convert_to_tensor(samples)
    following, left = {}, left_samples(recognizer)
    if left:
        samples = ops.concatenate([state["samples"], samples], axis=1)
        following["samples"] = samples[:, samples.shape[1] - left :]
    # The first frames of this window lack what stood before it: dropped.
    drop = left // recognizer.frontend.hop_length_samples
    features, mask = recognizer.frontend(
        samples, ops.cast(num_samples, "int32") + left
    )
    hidden, valid, kept = recognizer.encoder.step(
        features[:, drop:],
        mask[:, drop:],
        {name: state[name] for name in recognizer.encoder.state_shapes()},
    )
    logits = recognizer.head(hidden)  # (1, C, V)
    best = ops.cast(ops.top_k(logits, 1)[1][..., 0], "int32")  # (1, C)
    last = ops.expand_dims(state["last_id"], 1)
    previous = ops.concatenate([last, best[:, :-1]], axis=1)
    starts = ops.logical_and(ops.not_equal(best, previous), valid)
    token_ids = ops.where(starts, best, ops.zeros_like(best))
    following |= {**kept, "last_id": best[:, -1]}
    return token_ids, ops.log_softmax(logits, axis=-1), following


def part(recognizer):
    """The signature `stream` as (function, its inputs); see `Task`."""
    shapes = state_shapes(recognizer)

    def stream(samples, num_samples, **states):
        token_ids, scores, following = step(
            recognizer,
            samples,
            num_samples,
            {name: states[f"{IN}{name}"] for name in shapes},
        )
        return {
            "token_ids": token_ids,
            "log_probabilities": scores,
            **{f"{OUT}{name}": x for name, x in following.items()},
        }

    inputs = {
        "samples": ((1, chunk_samples(recognizer)), "float32"),
        "num_samples": ((1,), "int32"),
        **{f"{IN}{name}": spec for name, spec in shapes.items()},
    }
    return stream, inputs


class _Step(keras.Model):
    """One chunk of a stream, compiled by `predict`."""

    def __init__(self, recognizer):
        super().__init__(name="stream_step")
        self.recognizer = recognizer
        self._function = part(recognizer)[0]
        self.built = True

    def call(self, inputs):
        return self._function(**inputs)


def compiled_step(recognizer):
    """A function of arrays as `part` has them, that gives arrays.

    Made for the recogniser's `chunk_frames` as they are now.
    """
    model = _Step(recognizer)
    return lambda **inputs: model.predict_on_batch(inputs)


def drive(recognizer, run, samples):
    """What a stream of `samples` gives, all of its chunks in a row.

    Args:
        recognizer: a SpeechRecognizer whose encoder streams.
        run: function of arrays by the names of the inputs of `part`, to
            arrays by the names of its outputs.
        samples: float32 `(L,)`, L >= 1.

    Returns:
        token_ids, int32 `(T,)`, and log_probabilities, float32 `(T, V)`.
    """
    size = chunk_samples(recognizer)
    state = empty_state(recognizer)
    ids, scores = [], []
    for start in range(0, len(samples), size):
        chunk = samples[start : start + size]
        found = run(
            samples=np.pad(chunk, (0, size - len(chunk)))[None],
            num_samples=np.array([len(chunk)], "int32"),
            **{f"{IN}{name}": x for name, x in state.items()},
        )
        state = {name: found[f"{OUT}{name}"] for name in state}
        valid = int(recognizer.output_lengths(len(chunk)))
        ids.append(np.asarray(found["token_ids"])[0, :valid])
        scores.append(np.asarray(found["log_probabilities"])[0, :valid])
    return np.concatenate(ids), np.concatenate(scores)


def chunks_of(recognizer, recordings):
    """The inputs of `stream` for each chunk of recordings, states and all."""
    step, seen = compiled_step(recognizer), []

    def run(**inputs):
        seen.append(inputs)
        return step(**inputs)

    for samples in recordings:
        drive(recognizer, run, samples)
    return seen


def check(recognizer):
    """How a file's `stream` is held against Keras: a `PartCheck`."""

    def found(run, inputs):
        stream = functools.partial(run, "stream")
        ids, scores = drive(recognizer, stream, inputs["samples"])
        return {"token_ids": ids, "log_probabilities": scores}

    def wanted(inputs):
        return recognizer.reference_outputs(inputs, recognizer.chunk_frames)

    return PartCheck(recognizer.export_signature(), found, wanted)


def check_frontend(frontend):
    """Raises a ValueError where a front end cannot work on a stream."""
    if not hasattr(frontend, "framing") or not hasattr(frontend, "padding"):
        raise ValueError(
            f"The encoder streams, which a {type(frontend).__name__} as the "
            "front end does not; use a LogMelSpectrogram."
        )
    if frontend.padding != "causal" or frontend.dynamic_range_db is not None:
        raise ValueError(
            f"The encoder streams, but the front end has padding="
            f"{frontend.padding!r} and dynamic_range_db="
            f"{frontend.dynamic_range_db}; expected 'causal' and None: it may "
            "neither look ahead nor know the loudest frame to come."
        )


def describe(recognizer):
    """What a host must know of `stream`; JSON-able."""
    size, rate = chunk_samples(recognizer), recognizer.sampling_rate_hz
    positions = {stage["positions"] for stage in recognizer.encoder.stages}
    return {
        "signature": "stream",
        "chunk_samples": size,
        "chunk_frames": recognizer.chunk_frames,
        "chunk_seconds": size / rate,
        # What the first sample of a chunk waits for; computing comes on top.
        "latency_ms": 1000 * size / rate,
        # Positions that are counted from the beginning were seen in training
        # up to some length only: begin anew (zeros) at a pause before it.
        "longest_segment_seconds": 20.0 if "sinusoidal" in positions else None,
        "states": {
            name: {"shape": list(shape), "dtype": dtype}
            for name, (shape, dtype) in state_shapes(recognizer).items()
        },
    }
