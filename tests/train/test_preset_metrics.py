"""A preset of others' weights is measured by a file made of it, once."""

import json

import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime.preset_folder import sha256


class Stub:
    """Stands in for a task; counts its exports."""

    made = 0

    def export(self, path, quantize):
        Stub.made += 1
        path.write_text(quantize)


def test_a_preset_without_a_file_is_exported_once(
    load_script, tmp_path, monkeypatch
):
    metrics = load_script("train/preset_metrics.py")
    monkeypatch.setenv("KERAS_SELFATTN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(zoo, "load", lambda folder: Stub())
    folder = tmp_path / "mine"
    folder.mkdir()
    contents = {"format": 1, "name": "mine", "task": "T", "config": {}}
    contents |= {"files": {}, "base": {"name": "theirs"}}
    (folder / "preset.json").write_text(json.dumps(contents))
    first = metrics.find_source(str(folder))
    assert first.file.read_text() == "dynamic" and first.folder == folder
    assert metrics.find_source(str(folder)) == first and Stub.made == 1
    # Another preset.json is another preset.
    contents["base"]["name"] = "others"
    (folder / "preset.json").write_text(json.dumps(contents))
    assert metrics.find_source(str(folder)).file != first.file
    assert Stub.made == 2
    with pytest.raises(metrics.EvaluationError, match="no such file"):
        metrics.find_source(str(folder), "other.tflite")


def test_figures_of_adapters_tell_which(load_script, tmp_path):
    metrics = load_script("train/preset_metrics.py")
    (tmp_path / "adapters.safetensors").write_bytes(b"a")
    entry = {"dataset": "d", "split": "t", "file": "model.tflite"}
    path = metrics.update_metrics(tmp_path, [entry])
    (kept,) = json.loads(path.read_text())["results"]
    assert kept["adapters_sha256"] == sha256(tmp_path / "adapters.safetensors")
    others = tmp_path / "others"
    others.mkdir()
    source = {"source": {"sha256": {"weights": "ab"}}}
    (others / "preset.json").write_text(json.dumps(source))
    path = metrics.update_metrics(others, [entry])
    (kept,) = json.loads(path.read_text())["results"]
    assert kept["weights_sha256"] == "ab"
