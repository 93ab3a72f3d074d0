"""Reading sound files and checking sample arrays, with numpy alone.

Everything that turns a file or an array into what a speech model takes
passes here, in training as on a device: mono float32 samples in [-1, 1] at
one sampling rate. What cannot be used raises `AudioError`, in one sentence.
Shape letters: `L` samples of a recording, `C` channels.
"""

import io
import os
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr

SAMPLING_RATE_HZ = 16000
_LOWEST_RATE_HZ, _HIGHEST_RATE_HZ = 1000, 1_000_000
_PEAK_LIMIT = 16.0  # floats may overshoot 1.0; integers in disguise do more
_UNKNOWN_SIZE = 0x7FFF0000  # writers to a pipe put a size this big
# libsndfile's names of the sizes that cover the sound: WAV, AIFF, AU, W64,
# RF64.
_SOUND_SIZES = {"data", "SSND", "Data Size", "riff", "Riff size"}
_BLOCK_FRAMES = 1 << 18
_MPEG_FRAME = 1152


class AudioError(ValueError):
    """A recording that cannot be used; the message is one sentence."""


class AudioTooLong(AudioError):
    """A recording that is longer than the caller wants to read."""


def read_audio(path, sampling_rate_hz=SAMPLING_RATE_HZ, max_seconds=None):
    """Reads a sound file as mono float32 samples.

    Any format of libsndfile works (WAV, FLAC, Ogg Vorbis and Opus, MP3,
    AIFF, ...), with any number of channels (their mean is taken) and any
    sampling rate (resampled by soxr, high quality).

    Args:
        path: str or path of the file.
        sampling_rate_hz: int. Rate of the result. Defaults to 16000.
        max_seconds: float. Reading stops where a file turns out to be longer,
            whatever its header says: a small one may decode to hours. None
            for no limit.

    Returns:
        float32 array `(L,)`.

    Raises:
        AudioTooLong: it is longer than `max_seconds`.
        AudioError: the file is missing, empty, cut short, not audio, or
            holds no samples or NaN. A cut is seen in WAV, AIFF, AU, W64,
            RF64 (header), FLAC (decoder), Ogg (no last page) and in MP3
            with a Xing header.

    Example:
    ```python
    samples = read_audio("speech.flac")
    ```
    """
    path = Path(os.fsdecode(path))
    try:
        if not path.exists():
            raise AudioError(f"{path}: there is no such file.")
        if not path.is_file():
            raise AudioError(f"{path}: not a file; give the path of one file.")
        if path.stat().st_size == 0:
            raise AudioError(f"{path}: the file is empty (0 bytes).")
        samples, file_rate_hz = _decode(path, max_seconds)
    except OSError as error:
        reason = error.strerror
        raise AudioError(f"{path}: cannot be read ({reason}).") from error
    return _at_rate(samples, file_rate_hz, sampling_rate_hz, path)


def decode_audio(data, sampling_rate_hz=SAMPLING_RATE_HZ):
    """What `read_audio` makes of a file, from the bytes it holds.

    For files that `read_audio` has accepted before: whether sound is cut short
    is not looked into again.

    Args:
        data: bytes of a whole sound file.
        sampling_rate_hz: int. Rate of the result. Defaults to 16000.

    Returns:
        float32 array `(L,)`.

    Raises:
        AudioError: not audio, or it holds no samples or NaN.
    """
    try:
        samples, file_rate_hz = soundfile.read(
            io.BytesIO(data), dtype="float32", always_2d=True
        )
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{len(data):,} bytes: {error}") from error
    samples = samples.mean(axis=1, dtype="float32")
    return _at_rate(samples, file_rate_hz, sampling_rate_hz, "sound in memory")


def _at_rate(samples, file_rate_hz, sampling_rate_hz, path):
    """Checked samples at the rate that is asked for."""
    # At an absurdly low rate, resampling would fill the memory.
    if not _LOWEST_RATE_HZ <= file_rate_hz <= _HIGHEST_RATE_HZ:
        raise AudioError(
            f"{path}: the header says {file_rate_hz} Hz; expected a sampling "
            f"rate between {_LOWEST_RATE_HZ} and {_HIGHEST_RATE_HZ} Hz."
        )
    samples = check_samples(samples, file_rate_hz, source=str(path))
    if file_rate_hz != sampling_rate_hz:
        samples = soxr.resample(samples, file_rate_hz, sampling_rate_hz)
        if samples.size == 0:
            raise AudioError(f"{path}: too short, 0 samples remain.")
    return samples


def _decode(path, max_seconds=None):
    """Mono samples and sampling rate of a file, or `AudioError`."""
    _check_last_ogg_page(path)
    try:
        with soundfile.SoundFile(os.fspath(path)) as file:
            blocks, num_read = [], 0
            # Mixed down block by block: eight channels never lie in memory.
            while True:
                block = file.read(_BLOCK_FRAMES, "float32", always_2d=True)
                if not len(block):
                    break
                num_read += len(block)
                if max_seconds and num_read > max_seconds * file.samplerate:
                    raise AudioTooLong(
                        f"{path}: longer than {max_seconds:g} seconds; cut it "
                        "into shorter recordings."
                    )
                blocks.append(block.mean(axis=1, dtype="float32"))
            _check_complete(path, file, num_read)
            rate_hz = file.samplerate
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise AudioError(
            f"{path}: not a sound file, or a damaged one ({reason})."
        ) from error
    except TypeError as error:  # what soundfile says to a name in .raw
        raise AudioError(
            f"{path}: headerless audio is not read; convert it to WAV."
        ) from error
    if not blocks:
        raise AudioError(f"{path}: the file holds 0 samples.")
    return np.concatenate(blocks), rate_hz


def _check_complete(path, file, num_read):
    """Raises where the header promises more than the file holds."""
    # libsndfile reads on silently, but logs "data : 96000 (should be 57582)".
    sizes = re.findall(
        r"^ *(.*?) *: *(\d+) \(should be (\d+)\)", file.extra_info, re.M
    )
    for chunk, promised, found in sizes:
        # RIFF, FORM and LIST may lack what follows the sound: no harm.
        if chunk not in _SOUND_SIZES or int(promised) >= _UNKNOWN_SIZE:
            continue
        if int(promised) > int(found):
            raise AudioError(
                f"{path}: the file is cut short; its header promises "
                f"{promised} bytes of sound and {found} are there."
            )
    if num_read < file.frames and _has_exact_frame_count(path, file):
        if file.frames - num_read >= _MPEG_FRAME // 2:
            raise AudioError(
                f"{path}: the file is cut short; its header promises "
                f"{file.frames} frames and {num_read} could be read."
            )


def _has_exact_frame_count(path, file):
    if file.format != "MP3":
        return True
    with open(path, "rb") as raw:
        head = raw.read(8192)
    return b"Xing" in head or b"Info" in head


def _check_last_ogg_page(path):
    """Raises where an Ogg file (Vorbis, Opus) lacks its last page."""
    with open(path, "rb") as raw:
        if raw.read(4) != b"OggS":
            return
        size = raw.seek(0, os.SEEK_END)
        raw.seek(max(0, size - (1 << 17)))  # a page has at most 65307 bytes
        tail = raw.read()
    page = tail[tail.rfind(b"OggS") :]
    is_last = len(page) > 27 and page[5] & 4
    if is_last:
        num_segments = page[26]
        body = page[27 : 27 + num_segments]
        is_last = len(page) >= 27 + num_segments + sum(body)
    if not is_last:
        raise AudioError(
            f"{path}: the file is cut short; the end of its Ogg stream is "
            "missing."
        )


def load_samples(x, sampling_rate_hz=SAMPLING_RATE_HZ):
    """Samples of a sound file, or of an array that holds them.

    Args:
        x: str or path of the file, or array-like of floats `(L,)`.
        sampling_rate_hz: int. Rate of the result, and of the array.

    Returns:
        float32 array `(L,)`.

    Raises:
        AudioError: as `read_audio` and `check_samples` do.
    """
    if isinstance(x, str) or hasattr(x, "__fspath__"):
        return read_audio(x, sampling_rate_hz)
    return check_samples(x, sampling_rate_hz)


def check_samples(samples, sampling_rate_hz=SAMPLING_RATE_HZ, source="samples"):
    """Returns `samples` as float32 `(L,)`, or says what is wrong with them.

    Args:
        samples: array-like of floats `(L,)`, in [-1, 1].
        sampling_rate_hz: int. The rate they are at; used in messages.
        source: str. What messages call the samples.

    Returns:
        float32 array `(L,)`.

    Raises:
        AudioError: not one-dimensional, not float, empty, NaN or infinite,
            or far outside [-1, 1].
    """
    try:
        samples = np.asarray(samples)
    except ValueError as error:  # a ragged list
        raise AudioError(f"{source}: not an array of samples.") from error
    if samples.ndim != 1:
        raise AudioError(
            f"{source}: received an array of shape {samples.shape}; expected "
            "(num_samples,), one channel. For several channels take "
            "samples.mean(axis=...) over the channel axis first."
        )
    if samples.size == 0:
        raise AudioError(
            f"{source}: 0 samples received; expected at least one at "
            f"{sampling_rate_hz} Hz."
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise AudioError(
            f"{source}: received dtype {samples.dtype}; expected floats in "
            "[-1, 1]. For 16-bit integers pass samples / 32768.0."
        )
    samples = samples.astype("float32", copy=False)
    if not np.isfinite(samples).all():
        bad = int(np.count_nonzero(~np.isfinite(samples)))
        raise AudioError(
            f"{source}: {bad} of {samples.size} samples are NaN or infinite."
        )
    peak = float(np.max(np.abs(samples)))
    if peak > _PEAK_LIMIT:
        raise AudioError(
            f"{source}: the highest sample is {peak:g}; expected floats in "
            "[-1, 1]. For 16-bit integers pass samples / 32768.0."
        )
    return samples


def split_at_silence(samples, sampling_rate_hz, max_seconds=20.0):
    """Cuts a long recording at its quietest places.

    Each cut lies where the power, averaged over 0.3 s, is lowest in the
    second half of the longest piece still allowed (the latest such place if
    several are equal). Pieces touch, cover everything, and are at least a
    quarter of the longest. The same samples always give the same cuts.

    Args:
        samples: float array `(L,)`.
        sampling_rate_hz: int.
        max_seconds: float. Longest piece, in seconds. Defaults to 20.0.

    Returns:
        list of `(start, stop)` sample positions, in order.

    Example:
    ```python
    for start, stop in split_at_silence(samples, 16000):
        text = transcribe(samples[start:stop])
    ```
    """
    longest = int(max_seconds * sampling_rate_hz)
    if longest < 4:
        raise ValueError(
            f"max_seconds={max_seconds} at sampling_rate_hz="
            f"{sampling_rate_hz} leaves pieces of {longest} samples; expected "
            "at least 4."
        )
    total = len(samples)
    if total <= longest:
        return [(0, total)] if total else []
    hop = max(1, min(sampling_rate_hz // 100, longest // 64))
    power = _mean_power(samples, hop, width=30)
    pieces, start = [], 0
    while total - start > longest:
        low = start + longest // 2
        high = min(start + longest, total - longest // 4)
        # Centre of frame i is sample i * hop + hop // 2.
        first, last = -(-low // hop), high // hop
        if first < last:
            window = power[first:last]
            quietest = last - 1 - int(np.argmin(window[::-1]))
            cut = min(max(quietest * hop + hop // 2, low), high)
        else:
            cut = high
        pieces.append((start, cut))
        start = cut
    pieces.append((start, total))
    return pieces


def _mean_power(samples, hop, width):
    """Power per frame of `hop` samples, averaged over `width` frames."""
    num_frames = len(samples) // hop
    frames = np.reshape(samples[: num_frames * hop], (num_frames, hop))
    power = np.einsum("th,th->t", frames, frames, dtype="float64")
    ahead = width // 2
    padded = np.pad(power, (ahead, width - ahead), mode="edge")
    # Sums of equal terms must be equal: no running difference of sums.
    windows = np.lib.stride_tricks.sliding_window_view(padded, width)
    return windows.mean(axis=1)[:num_frames]
