"""train/scale_asr.py: rows of runs and presets, and their picture."""

import json

import numpy as np
import pytest


@pytest.fixture
def script(load_script):
    return load_script("train/scale_asr.py")


def write_features(folder):
    """Two minutes, of which one is for training."""
    folder.mkdir()
    np.save(folder / "frames.npy", np.zeros((12000, 13), "float16"))
    rows = ["utt\tsplit\tspeaker\tframe_offset\tn_frames\ttext"]
    rows += ["a\ttrain\tx\t0\t6000\tone", "b\tdev\tx\t6000\t6000\ttwo"]
    (folder / "manifest.tsv").write_text("\n".join(rows) + "\n")
    return folder


def test_hours_are_those_drawn_or_all_there_are(script, tmp_path):
    corpus = f"{write_features(tmp_path / 'c')}:train"
    arguments = {"hours": 0.5, "train": [corpus], "frame_rate_hz": 100}
    assert script.hours_of(arguments) == 0.5
    assert script.hours_of(arguments | {"hours": 0.0}) == pytest.approx(1 / 60)


def test_a_preset_is_told_with_its_hours(script, tmp_path):
    entries = [
        {"dataset": "a", "split": "dev", "wer": 0.5},
        {"dataset": "a", "split": "dev", "wer": 0.25, "beam": 16},
        {"dataset": "b", "split": "dev", "wer": 0.1, "grammar": "g"},
    ]
    (tmp_path / "metrics.json").write_text(json.dumps({"results": entries}))
    assert script.measured_rates(tmp_path) == {"a dev": 0.5}
    with pytest.raises(ValueError, match="expected NAME=HOURS"):
        script.preset_row("asr")


def test_the_picture_has_both_axes(script, tmp_path):
    pytest.importorskip("matplotlib")
    rows = [
        {"begins": begins, "hours": hours, "parameters": n, "wer": {"d": wer}}
        for begins, hours, n, wer in (
            (script.SCRATCH, 5.9, 500_000, 0.9),
            (script.SCRATCH, 5.9, 1_900_000, 0.8),
            (script.WHISPER, 0.0, 37_000_000, 0.4),
            (script.WHISPER, 1.0, 37_000_000, 0.3),
        )
    ]
    path = tmp_path / "scaling.png"
    script.plot(path, rows, "d")
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_a_hybrid_is_measured_by_its_best_frames(script, tmp_path, monkeypatch):
    """The run's own way of measuring, here told by a stand-in."""
    from keras_selfattn.tasks import Task

    class Hybrid:
        count_params = staticmethod(lambda: 7)

    class Dev:
        def __init__(self, entries):
            self.entries = entries

        def rates(self, hybrid):
            assert isinstance(hybrid, Hybrid)
            return {"dev_wer": 0.5 if self.entries == ["x/c:dev"] else 1.0}

    monkeypatch.setattr(Task, "from_preset_folder", lambda folder: Hybrid())
    monkeypatch.setattr(script, "DevSet", Dev)
    arguments = {"hours": 1.5, "frame_rate_hz": 100, "train": []}
    (tmp_path / "arguments.json").write_text(json.dumps(arguments))
    row = script.hybrid_row(tmp_path, ["x/c:dev"])
    assert row["wer"] == {"c dev": 0.5} and row["hours"] == 1.5
    assert row["parameters"] == row["trained"] == 7
