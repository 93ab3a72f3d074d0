"""A preset without a file of its own has one in the cache, made once."""

import importlib.util
import json

import pytest

from keras_selfattn.convert.kept_file import exported_file


class Stub:
    """Stands in for a task."""

    def export(self, path, quantize):
        path.write_text(quantize)


def test_what_making_needs_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SELFATTN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    (tmp_path / "preset.json").write_text(json.dumps({"name": "mine"}))
    with pytest.raises(ImportError, match=r"mine .*\[tensorflow\]"):
        exported_file(tmp_path, None)
    assert not (tmp_path / "cache").exists()


def test_a_file_is_made_once_a_preset(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SELFATTN_CACHE", str(tmp_path / "cache"))
    loaded = []

    def load(folder):
        loaded.append(folder)
        return Stub()

    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "preset.json").write_text(json.dumps({"name": "mine"}))
    made = []
    first = exported_file(folder, load, made.append)
    assert first.read_text() == "dynamic"
    assert exported_file(folder, load, made.append) == first
    assert loaded == [folder] and made == ["mine"]
    (folder / "preset.json").write_text(json.dumps({"name": "mine", "v": 2}))
    assert exported_file(folder, load) != first and len(loaded) == 2
