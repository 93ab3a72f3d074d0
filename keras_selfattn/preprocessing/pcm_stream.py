"""Raw samples from a pipe, as they come, with numpy alone.

Shape letter: `L` samples of a block.
"""

import struct
from itertools import chain

import numpy as np

from keras_selfattn.preprocessing.audio import AudioError

_PCM, _EXTENSIBLE = 1, 0xFFFE


def pcm_blocks(pipe, sampling_rate_hz, block_samples=4096, source="stdin"):
    """Yields float32 blocks `(L,)` of 16-bit little-endian mono samples.

    A block is what has come, at most `block_samples`; nothing waits for a
    full one. A WAV header in front (`arecord` writes one) is read, and what
    it says must be what is expected.

    Args:
        pipe: binary file that is read to its end.
        sampling_rate_hz: int, the rate the samples should have; without a
            header nobody can tell.
        block_samples: int >= 1.
        source: str. What messages call the pipe.

    Raises:
        AudioError: a header of another rate, width or number of channels,
            another container, half a sample at the end, or no sample at all.

    Example:
    ```python
    for samples in pcm_blocks(sys.stdin.buffer, 16000):
        stream.feed(samples)
    ```
    """
    reader = getattr(pipe, "read1", pipe.read)
    head = _read(pipe, 4)
    if head == b"RIFF":
        _skip_header(pipe, sampling_rate_hz, source)
        head = b""
    elif head in (b"fLaC", b"OggS", b"FORM", b"RIFX"):
        raise AudioError(
            f"{source}: begins with {head!r}, which is a sound file; expected "
            "raw 16-bit samples. Give the file by its name instead."
        )
    any_came, rest = False, b""
    later = iter(lambda: reader(2 * block_samples), b"")
    for data in chain([head], later):
        data = rest + data
        whole = len(data) - len(data) % 2
        rest = data[whole:]
        if whole:
            any_came = True
            samples = np.frombuffer(data[:whole], "<i2")
            yield samples.astype("float32") / 32768
    if rest:
        raise AudioError(
            f"{source}: ends with half a sample; expected 16-bit "
            "little-endian mono samples."
        )
    if not any_came:
        raise AudioError(f"{source}: 0 samples came; expected at least one.")


def _read(pipe, count):
    """The next `count` bytes, or all that are left."""
    data = b""
    while len(data) < count and (more := pipe.read(count - len(data))):
        data += more
    return data


def _skip_header(pipe, sampling_rate_hz, source):
    """Reads a WAV header behind its first four bytes, up to the samples."""
    found = None
    try:
        struct.unpack("<I4s", _read(pipe, 8))  # its size, "WAVE"
        while True:
            name, size = struct.unpack("<4sI", _read(pipe, 8))
            if name == b"data":
                break
            content = _read(pipe, size + size % 2)
            if name == b"fmt ":
                found = struct.unpack("<HHIIHH", content[:16])
        if found is None:
            raise struct.error("the samples come before their format")
    except struct.error:
        raise AudioError(f"{source}: its WAV header is cut short.") from None
    code, channels, rate_hz, _, _, bits = found
    expected = (1, sampling_rate_hz, 16)
    if code not in (_PCM, _EXTENSIBLE) or (channels, rate_hz, bits) != expected:
        raise AudioError(
            f"{source}: {channels} channel(s) of {bits} bits at {rate_hz} Hz "
            f"(format {code}); expected 1 of 16 bits at {sampling_rate_hz} "
            f"Hz: arecord -f S16_LE -c 1 -r {sampling_rate_hz}"
        )
