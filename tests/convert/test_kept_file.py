"""A preset without a file of its own has one in the cache, made once."""

import json

from keras_selfattn.convert.kept_file import exported_file


class Stub:
    """Stands in for a task."""

    def export(self, path, quantize):
        path.write_text(quantize)


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
