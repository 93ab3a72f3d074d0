"""A preset's file is made anew; the export itself is tested elsewhere."""

import shutil

import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime import metadata
from keras_selfattn.tasks.task import Task


@pytest.mark.parametrize("quantize", [None, "float16"])
def test_the_new_file_is_sealed_with_its_reference(
    load_script, home, monkeypatch, quantize
):
    folder = home / "translation/tiny_translation"
    old = (folder / "model.tflite").read_bytes()
    expected = zoo.describe(folder)["reference"]
    kept = metadata.read(folder / "model.tflite")["quantize"]
    wanted = []

    def export(task, path, quantize):
        wanted.append(quantize)
        path.write_bytes(old + b"\0")

    monkeypatch.setattr(Task, "export", export)
    script = load_script("train/export_preset.py")
    assert script.export_again(folder, quantize) == expected
    assert wanted == [quantize or kept]
    assert (folder / "model.tflite").read_bytes() == old + b"\0"
    assert zoo.check("translation").text == expected["text"]
    shutil.copy(folder / "preset.json", folder / "model.tflite")
    with pytest.raises(zoo.PresetError, match="model.tflite"):
        zoo.check("translation")
