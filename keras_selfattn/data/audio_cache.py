"""A corpus decoded once and kept in memory, as 16-bit integers."""

import concurrent.futures
import sys

import numpy as np
import rich.console
import rich.progress

from keras_selfattn.preprocessing.audio import AudioError, read_audio


def decode_all(paths, sampling_rate_hz, workers=1, progress=True):
    """Decodes sound files (libsndfile releases the GIL, so threads help).

    Args:
        paths: list of paths.
        sampling_rate_hz: int. Rate of the results.
        workers: int. Threads. Defaults to 1.
        progress: bool. A bar on stderr. Defaults to True.

    Returns:
        list, in the order of `paths`: an int16 array `(L,)`, or the
        `AudioError` where a file cannot be used.
    """

    def decode(path):
        try:
            return to_int16(read_audio(path, sampling_rate_hz))
        except AudioError as error:
            return error

    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(
            rich.progress.track(
                pool.map(decode, paths),
                "Decoding",
                total=len(paths),
                console=rich.console.Console(file=sys.stderr),
                disable=not progress,
            )
        )


def to_int16(samples):
    """Float samples in [-1, 1] as int16; what lies outside is clipped."""
    scaled = np.rint(samples * np.float32(32768))
    return np.clip(scaled, -32768, 32767).astype("int16")


def to_float(samples):
    """The float32 samples that `to_int16` rounded."""
    return samples.astype("float32") / np.float32(32768)
