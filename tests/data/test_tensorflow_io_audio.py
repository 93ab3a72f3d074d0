"""Sound decoded by tensorflow-io, which works beside TensorFlow 2.16 alone.

KERAS_SELFATTN_TFIO_PYTHON names a Python that has the two, for the proof.
"""

import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from keras_selfattn.data import tensorflow_io_audio
from keras_selfattn.data.tensorflow_io_audio import decoded_audio
from keras_selfattn.preprocessing.audio import read_audio

CHILD = """
import sys
import numpy as np
from keras_selfattn.data.tensorflow_io_audio import decoded_audio
found = [wave.numpy() for wave in decoded_audio(sys.argv[2:])]
np.savez(sys.argv[1], *found)
"""


@pytest.mark.parametrize("missing", ["tensorflow", "tensorflow_io"])
def test_what_is_missing_is_named_with_the_versions(monkeypatch, missing):
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == missing else name,
    )
    with pytest.raises(ImportError) as error:
        decoded_audio(["a.flac"])
    assert str(error.value).startswith(f"{missing} is not installed.")
    assert "'tensorflow-io==0.37.1'" in str(error.value)


def test_versions_that_do_not_go_together_are_named(monkeypatch):
    class Audio:
        @staticmethod
        def resample(*_):
            raise NotImplementedError("unable to open file: libtensorflow_io")

    class Module:
        __version__ = "2.99.0"
        audio = Audio

        @staticmethod
        def zeros(shape):
            return shape

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    monkeypatch.setattr(
        tensorflow_io_audio.importlib.metadata, "version", lambda name: "0.37.1"
    )
    for name in ("tensorflow", "tensorflow_io"):
        monkeypatch.setitem(sys.modules, name, Module)
    with pytest.raises(ImportError, match="0.37.1 does not work.*2.99.0"):
        decoded_audio(["a.flac"])


def test_files_that_it_cannot_decode_are_refused():
    with pytest.raises(ValueError, match="no paths were given"):
        decoded_audio([])
    with pytest.raises(ValueError, match="files end in opus; tensorflow-io"):
        decoded_audio(["a.wav", "b.Opus"])


@pytest.mark.proof
def test_it_decodes_what_libsndfile_decodes(tmp_path, repository):
    python = os.environ.get("KERAS_SELFATTN_TFIO_PYTHON")
    if not python:
        pytest.skip("KERAS_SELFATTN_TFIO_PYTHON names no Python")
    draw = np.random.default_rng(0)
    paths = []
    for kind, rate, channels in (
        ("wav", 16000, 1), ("flac", 16000, 2), ("flac", 44100, 1),
        ("ogg", 16000, 1), ("wav", 8000, 2),
    ):  # fmt: skip
        seconds = np.arange(rate) / rate
        sound = np.sin(2 * np.pi * np.outer(seconds, [300, 500])[:, :channels])
        sound = 0.3 * sound + 0.01 * draw.standard_normal(sound.shape)
        paths.append(tmp_path / f"{len(paths)}.{kind}")
        soundfile.write(paths[-1], sound, rate)
    subprocess.run(
        [python, "-c", CHILD, str(tmp_path / "found.npz"), *map(str, paths)],
        env={
            **os.environ,
            "PYTHONPATH": str(repository),
            "KERAS_BACKEND": "tensorflow",
        },
        check=True,
    )
    with np.load(tmp_path / "found.npz") as found:
        for i, path in enumerate(paths):
            wave, wanted = found[f"arr_{i}"], read_audio(path)
            assert abs(len(wave) - len(wanted)) <= 2, path.name
            # The resampler's filter delays by some milliseconds.
            resampled = soundfile.info(path).samplerate != 16000
            middle = wanted[1000:12000]
            apart = [
                np.abs(wave[1000 + delay : 12000 + delay] - middle).mean()
                for delay in range(100 if resampled else 1)
            ]
            assert min(apart) < 0.005, path.name
