"""A preset folder on disk: reading preset.json and checking sha256."""

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from keras_selfattn.runtime import preset_folder
from keras_selfattn.runtime.preset_folder import PresetError

TINY = Path(__file__).parents[1] / "golden" / "tiny_asr"


@pytest.fixture
def folder(tmp_path):
    """A copy of the small preset that a test may damage."""
    return Path(shutil.copytree(TINY, tmp_path / "tiny_asr"))


def change(folder, **entries):
    path = folder / "preset.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | entries))


def test_read_gives_what_is_in_the_file(folder):
    assert preset_folder.read(folder)["name"] == "tiny_asr"
    assert preset_folder.read(str(folder))["task"] == "SpeechRecognizer"


def test_a_folder_without_preset_json_is_no_preset(tmp_path):
    with pytest.raises(PresetError, match="not a preset folder"):
        preset_folder.read(tmp_path)
    with pytest.raises(PresetError, match="not a preset folder"):
        preset_folder.read(tmp_path / "missing")


def test_a_newer_format_says_to_upgrade(folder):
    change(folder, format=2)
    with pytest.raises(PresetError, match=r"format 2.*reads up to format 1"):
        preset_folder.read(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("[1]", "no integer"),
        ('{"name": "x"}', "no integer"),
        ('{"format": "1"}', "no integer"),
        ('{"format": true}', "no integer"),
        ('{"format": 1, "name": "x"}', "lacks 'task', 'config', 'files'"),
    ],
)
def test_other_json_is_refused(folder, content, message):
    (folder / "preset.json").write_text(content)
    with pytest.raises(PresetError, match=message):
        preset_folder.read(folder)


def test_bytes_that_are_no_text_are_refused(folder):
    (folder / "preset.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(PresetError, match="not valid JSON"):
        preset_folder.read(folder)


def test_verify_returns_the_paths_it_checked(folder):
    checked = preset_folder.verify(folder)
    assert checked["model.tflite"] == folder / "model.tflite"
    assert {"model.safetensors", "model.tflite", "sample.wav"} <= set(checked)
    assert list(preset_folder.verify(folder, ["sample.wav"])) == ["sample.wav"]


@pytest.mark.parametrize("at", [0, 1000, -1])
@pytest.mark.parametrize("name", ["model.safetensors", "model.tflite"])
def test_one_changed_byte_is_found(folder, name, at):
    path = folder / name
    content = bytearray(path.read_bytes())
    expected = hashlib.sha256(content).hexdigest()
    content[at] ^= 1
    path.write_bytes(content)
    with pytest.raises(PresetError) as error:
        preset_folder.verify(folder, [name])
    for part in (str(path), expected, hashlib.sha256(content).hexdigest()):
        assert part in str(error.value)
    with pytest.raises(PresetError, match="damaged"):
        preset_folder.model_file(folder, name)


def test_a_missing_file_and_an_unlisted_one_are_named(folder):
    (folder / "model.tflite").unlink()
    with pytest.raises(PresetError, match=r"model\.tflite is missing"):
        preset_folder.verify(folder)
    with pytest.raises(PresetError, match=r"lists no file 'other\.bin'"):
        preset_folder.verify(folder, ["other.bin"])


def test_a_folder_not_yet_sealed_is_taken_as_it_is(folder):
    change(folder, files={})
    with open(folder / "model.tflite", "ab") as file:
        file.write(b"\0")
    path = preset_folder.model_file(folder, "model.tflite")
    assert path == folder / "model.tflite"
    with pytest.raises(PresetError, match="is missing"):
        preset_folder.model_file(folder, "other.tflite")


def test_json_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "value.json"
    preset_folder.write_json(path, {"format": 1, "name": "æ"})
    assert preset_folder.read_json(path) == {"format": 1, "name": "æ"}
    with pytest.raises(TypeError):
        preset_folder.write_json(path, {"format": object()})
    with pytest.raises(IsADirectoryError):
        preset_folder.write_json(tmp_path, {"format": 1})
    assert preset_folder.read_json(path) == {"format": 1, "name": "æ"}
    assert list(tmp_path.iterdir()) == [path]
