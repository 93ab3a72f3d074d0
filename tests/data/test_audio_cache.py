"""Decoding a corpus into memory."""

import numpy as np
import pytest
import soundfile

from keras_selfattn.data.audio_cache import decode_all, to_float, to_int16
from keras_selfattn.preprocessing.audio import AudioError


def test_integers_keep_all_that_a_16_bit_file_has():
    integers = np.arange(-32768, 32768, dtype="int16")
    np.testing.assert_array_equal(to_int16(to_float(integers)), integers)


def test_what_is_too_loud_is_clipped():
    samples = np.asarray([-2.0, -1.0, 0.0, 1.0, 2.0], "float32")
    np.testing.assert_array_equal(
        to_int16(samples), [-32768, -32768, 0, 32767, 32767]
    )


@pytest.mark.parametrize("workers", [1, 3])
def test_files_come_in_order_and_bad_ones_as_their_error(tmp_path, workers):
    paths = []
    for number in range(5):
        paths.append(tmp_path / f"{number}.wav")
        integers = np.full(100 + number, number, "int16")
        soundfile.write(paths[-1], integers, 16000)
    paths.insert(2, tmp_path / "none.wav")
    decoded = decode_all(paths, 16000, workers, progress=False)
    assert isinstance(decoded[2], AudioError)
    for number, samples in enumerate(decoded[:2] + decoded[3:]):
        np.testing.assert_array_equal(samples, [number] * (100 + number))


def test_progress_goes_to_stderr(tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", np.zeros(100), 16000)
    decode_all([tmp_path / "a.wav"], 16000)
    output = capsys.readouterr()
    assert output.out == ""
    assert "Decoding" in output.err
