"""What users hand to a recogniser, as pieces and padded batches of samples.

A sample is a number where the front end takes sound, and a vector of features
where it is `PrecomputedFeatures`.

Shapes: `B` batch, `L` samples, `C` features of a sample.
"""

import keras
import numpy as np

from keras_selfattn.preprocessing.audio import (
    AudioError,
    check_samples,
    read_audio,
    split_at_silence,
)

MAX_PIECE_SECONDS = 20.0


def sample_shape(frontend):
    """() of sound, `(C,)` of features."""
    return tuple(getattr(frontend, "sample_shape", ()))


def check_feature_dim(frontend, encoder):
    """A ValueError where the encoder takes other features."""
    if frontend.feature_dim != encoder.feature_dim:
        raise ValueError(
            f"The front end gives {frontend.feature_dim} features a frame, the "
            f"encoder takes {encoder.feature_dim}."
        )


def encoder_frames(frontend, encoder, num_samples):
    """Valid encoder frames for `num_samples` (int or array)."""
    hop = frontend.hop_length_samples
    return encoder.output_length((num_samples + hop - 1) // hop)


def symbolic_inputs(frontend):
    """The inputs "samples" and "num_samples" of a functional model."""
    shape = (None, *sample_shape(frontend))
    samples = keras.Input(shape, dtype="float32", name="samples")
    num_samples = keras.Input((), dtype="int32", name="num_samples")
    return samples, num_samples


def read_pieces(items, frontend, max_seconds=None):
    """Speech as pieces of at most 20 s, cut at their quietest places.

    Args:
        items: list of paths or float arrays `(L,)`; of arrays `(L, C)`, which
            stay whole, where the front end takes features.
        frontend: layer, see `sample_shape`.
        max_seconds: float, the longest piece; default 20.

    Returns:
        list of float32 arrays and list of (number of the item, seconds before
        the piece).

    Raises:
        AudioError (a ValueError): for a file or array that is missing, empty,
            broken, of another shape, or holds NaN.
    """
    rate, shape = frontend.sampling_rate_hz, sample_shape(frontend)
    pieces, owners = [], []
    longest = max_seconds or MAX_PIECE_SECONDS
    for owner, samples in enumerate(read_whole(items, frontend)):
        spans = [(0, len(samples))]
        if not shape:
            spans = split_at_silence(samples, rate, longest)
        for start, stop in spans:
            pieces.append(samples[start:stop])
            owners.append((owner, start / rate))
    return pieces, owners


def read_whole(items, frontend):
    """Yields what `read_pieces` cuts, a float32 array an item."""
    rate, shape = frontend.sampling_rate_hz, sample_shape(frontend)
    for item in items:
        if shape:
            yield _check_features(item, shape)
        elif isinstance(item, (str, bytes)) or hasattr(item, "__fspath__"):
            yield np.asarray(read_audio(item, rate), "float32")
        else:
            yield np.asarray(check_samples(item, rate), "float32")


def _check_features(item, shape):
    try:
        features = np.asarray(item, "float32")
    except (TypeError, ValueError):
        features = np.zeros(())
    if features.shape[1:] != shape or not len(features):
        raise AudioError(
            f"Received {type(item).__name__} of shape {features.shape}; this "
            f"recogniser hears feature frames, a float array (frames, "
            f"{shape[0]}), and reads no sound."
        )
    if not np.isfinite(features).all():
        raise AudioError(
            f"{(~np.isfinite(features)).sum()} features are NaN or infinite; "
            "make them anew."
        )
    return features


def padded_batches(pieces, frontend, batch_size, min_samples):
    """Yields pieces of similar length, padded to whole seconds.

    Whole seconds give few shapes, so few compilations.

    Yields:
        list of int, which pieces; and the model's inputs, a dict.
    """
    rate, shape = frontend.sampling_rate_hz, sample_shape(frontend)
    order = sorted(range(len(pieces)), key=lambda i: len(pieces[i]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        chosen = [pieces[i] for i in rows]
        yield rows, whole_seconds(chosen, rate, min_samples, shape)


def whole_seconds(pieces, rate, min_samples, shape=()):
    """Pieces as a model's inputs, padded to whole seconds.

    Args:
        pieces: list of float32 arrays `(L, *shape)`.
        rate: int, samples a second.
        min_samples: int, what a shorter piece counts as.
        shape: see `sample_shape`.

    Returns:
        dict of "samples", float32 `(B, L, *shape)`, and "num_samples", int32
        `(B,)`.
    """
    lengths = [max(len(piece), min_samples) for piece in pieces]
    width = -(-max(lengths) // rate) * rate
    return {
        "samples": padded_rows(pieces, width, shape),
        "num_samples": np.array(lengths, "int32"),
    }


def padded_rows(pieces, width, shape=()):
    """Pieces, none longer than `width`, as float32 `(B, width, *shape)`."""
    rows = np.zeros((len(pieces), width, *shape), "float32")
    for row, samples in zip(rows, pieces, strict=True):
        row[: len(samples)] = samples
    return rows


def log_softmax(logits):
    """Log-probabilities, float64, over the last axis."""
    logits = np.asarray(logits, "float64")
    peak = logits.max(axis=-1, keepdims=True)
    total = np.exp(logits - peak).sum(axis=-1, keepdims=True)
    return logits - (peak + np.log(total))
