import io
import os
import threading

import numpy as np
import pytest
import soundfile

from keras_selfattn.preprocessing.audio import AudioError
from keras_selfattn.preprocessing.pcm_stream import pcm_blocks

SAMPLES = np.random.default_rng(0).integers(-32768, 32768, 10001, "int16")


def joined(data, **options):
    blocks = list(pcm_blocks(io.BytesIO(data), 16000, **options))
    assert all(block.dtype == "float32" for block in blocks)
    return np.concatenate(blocks)


def wav(rate_hz=16000, channels=1, **options):
    file = io.BytesIO()
    samples = np.tile(SAMPLES[:, None], (1, channels))
    soundfile.write(file, samples, rate_hz, format="WAV", **options)
    return file.getvalue()


@pytest.mark.parametrize("block", [1, 3, 4096, 100_000])
def test_raw_samples_come_whole_and_scaled(block):
    two = joined(b"\0\x40\0\xc0", block_samples=block)
    assert two.tolist() == [0.5, -0.5]
    found = joined(SAMPLES.astype("<i2").tobytes(), block_samples=block)
    np.testing.assert_array_equal(found, SAMPLES / np.float32(32768))


@pytest.mark.parametrize("subtype", ["PCM_16"])
def test_a_wav_header_is_no_sound(subtype):
    np.testing.assert_array_equal(
        joined(wav(subtype=subtype)), SAMPLES / np.float32(32768)
    )


def test_bytes_of_a_pipe_may_come_in_any_pieces():
    data = SAMPLES[:300].astype("<i2").tobytes()
    read_end, write_end = os.pipe()

    def write():
        with os.fdopen(write_end, "wb", buffering=0) as pipe:
            for start in range(0, len(data), 7):
                pipe.write(data[start : start + 7])

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(read_end, "rb") as pipe:
        found = np.concatenate(list(pcm_blocks(pipe, 16000)))
    thread.join()
    np.testing.assert_array_equal(found, SAMPLES[:300] / np.float32(32768))


@pytest.mark.parametrize(
    "data,message",
    [
        (wav(rate_hz=44100), "44100 Hz .* arecord -f S16_LE -c 1 -r 16000"),
        (wav(channels=2), "2 channel"),
        (wav(subtype="FLOAT"), "32 bits"),
        (wav()[:30], "cut short"),
        (b"OggS" + bytes(100), "is a sound file"),
        (b"", "0 samples"),
        (b"abcde", "half a sample"),
        (b"a", "half a sample"),
    ],
    ids=["rate", "channels", "float", "cut", "ogg", "empty", "odd", "one"],
)
def test_what_is_something_else_is_refused(data, message):
    with pytest.raises(AudioError, match=message):
        joined(data)
