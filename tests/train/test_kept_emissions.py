"""train/kept_emissions.py: heard once, read again."""

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile


class Counting:
    sampling_rate_hz = 16000

    def __init__(self):
        self.heard = []

    def emissions(self, samples):
        self.heard.append(len(samples))
        return None, np.full((len(samples) // 640, 3), samples[0])


@pytest.fixture
def examples(tmp_path):
    found = []
    for number, seconds in enumerate((1, 2, 30)):
        path = tmp_path / f"{number}.wav"
        samples = np.full(16000 * seconds, (number + 1) / 8)
        soundfile.write(path, samples, 16000, subtype="FLOAT")
        found.append(SimpleNamespace(path=path))
    return found


def test_heard_once_and_kept(load_script, examples, tmp_path):
    script = load_script("train/kept_emissions.py")
    counting, kept = Counting(), tmp_path / "kept.npz"
    found = script.hear(counting, examples, None, kept)
    assert [f.shape for f in found[:2]] == [(25, 3), (50, 3)]
    assert len(found[2]) in (749, 750)
    assert len(counting.heard) == 4  # the longest in two pieces
    again = script.hear(counting, examples, None, kept)
    assert len(counting.heard) == 4
    for one, other in zip(found, again, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="3 recordings, 2 are asked for"):
        script.hear(counting, examples[:2], None, kept)


def test_samples_may_be_changed_by_their_number(load_script, examples):
    script = load_script("train/kept_emissions.py")
    found = script.hear(
        Counting(), examples, lambda samples, number: samples * 0 + number
    )
    assert [f[0, 0] for f in found] == [0.0, 1.0, 2.0]
