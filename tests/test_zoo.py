"""The zoo: finding, checking, sealing and loading presets."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime import preset_folder

TINY = Path(__file__).parent / "golden" / "tiny_asr"
SHIPPED = zoo.list_presets() if (zoo.root() / "index.json").is_file() else []


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A zoo with one preset, `tiny_asr`, alias `asr`."""
    folder = tmp_path / "zoo" / "asr" / "tiny_asr"
    shutil.copytree(TINY, folder)
    monkeypatch.setattr(zoo, "root", lambda: tmp_path / "zoo")
    zoo.seal(folder, aliases=["asr"])
    return tmp_path / "zoo"


def test_a_preset_is_found_by_name_alias_and_folder(home):
    folder = home / "asr" / "tiny_asr"
    assert zoo.list_presets() == ["tiny_asr"]
    for name in ("tiny_asr", "asr", str(folder), folder, f"{folder}/"):
        assert zoo.resolve(name) == folder
    assert zoo.describe("asr")["name"] == "tiny_asr"
    assert zoo.card("asr").startswith("# tiny_asr")


def test_a_device_file_is_checked_or_made_once(home, tmp_path, monkeypatch):
    folder = home / "asr" / "tiny_asr"
    assert zoo.device_file("asr") == folder / "model.tflite"
    (folder / "model.tflite").write_bytes(b"changed")
    with pytest.raises(zoo.PresetError, match="model.tflite is damaged"):
        zoo.device_file("asr")

    class Task:
        """Of others' weights."""

        def export(self, path, quantize):
            path.write_text(quantize)

    others = tmp_path / "others"
    others.mkdir()
    contents = {"format": 1, "name": "others", "task": "x", "config": {}}
    contents |= {"files": {}, "base": {}}
    preset_folder.write_json(others / "preset.json", contents)
    monkeypatch.setenv("KERAS_SELFATTN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(zoo, "load", lambda folder: Task())
    made = []
    path = zoo.device_file(others, made.append)
    assert path.read_text() == "dynamic"
    assert zoo.device_file(others, made.append) == path and made == ["others"]


def test_a_name_wins_over_a_folder_called_the_same(home, tmp_path, monkeypatch):
    shutil.copytree(TINY, tmp_path / "asr")
    shutil.copytree(TINY, tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    assert zoo.resolve("asr") == home / "asr" / "tiny_asr"
    assert zoo.resolve("./asr") == Path("asr")
    assert zoo.resolve(Path("asr")) == Path("asr")
    assert zoo.resolve("other") == Path("other")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tiny_as", r"unknown preset 'tiny_as'. Nearest: tiny_asr"),
        ("asrr", r"Nearest: asr"),
        ("translation", r"Known: asr, tiny_asr"),
        ("", r"unknown preset ''"),
        ("./tiny_asr", r"not a preset folder"),
        (Path("asr"), r"not a preset folder"),
        (3, r"received 3"),
    ],
)
def test_an_unknown_preset_lists_the_nearest(home, name, message):
    with pytest.raises(zoo.PresetError, match=message):
        zoo.resolve(name)


def test_an_index_entry_without_its_folder_is_named(home):
    shutil.rmtree(home / "asr" / "tiny_asr")
    with pytest.raises(zoo.PresetError, match=r"'tiny_asr' is in the index"):
        zoo.resolve("asr")


def test_a_missing_index_says_to_install_again(home):
    (home / "index.json").unlink()
    with pytest.raises(zoo.PresetError, match=r"index\.json is missing"):
        zoo.list_presets()
    # A folder needs no index.
    assert zoo.resolve(TINY) == TINY


def test_a_changed_preset_json_is_found_by_name(home):
    folder = home / "asr" / "tiny_asr"
    with open(folder / "preset.json", "a") as file:
        file.write("\n")
    with pytest.raises(zoo.PresetError, match=r"preset\.json is damaged"):
        zoo.resolve("asr")
    assert zoo.resolve(folder) == folder


def test_a_newer_index_and_preset_say_to_upgrade(home):
    folder = home / "asr" / "tiny_asr"
    for path in (folder / "preset.json", home / "index.json"):
        value = preset_folder.read_json(path)
        preset_folder.write_json(path, value | {"format": 9})
        with pytest.raises(zoo.PresetError, match="format 9"):
            zoo.resolve(folder if path.parent == folder else "asr")


def test_a_preset_without_card_is_named(home):
    (home / "asr" / "tiny_asr" / "card.md").unlink()
    with pytest.raises(zoo.PresetError, match=r"card\.md is missing"):
        zoo.card("asr")


def test_check_gives_the_transcript_of_the_sample(home):
    reference = zoo.describe("asr")["reference"]
    transcript = zoo.check("asr")
    assert transcript.text == reference["text"]
    assert transcript.token_ids == reference["token_ids"]


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ({"text": "another text"}, r"text expected 'another text', found"),
        ({"token_ids": [1, 2]}, r"token_ids expected \[1, 2\], found"),
        (None, 'has no "reference"'),
    ],
)
def test_check_finds_a_difference(home, reference, message):
    path = home / "asr" / "tiny_asr" / "preset.json"
    value = preset_folder.read_json(path)
    changed = reference and value["reference"] | reference
    preset_folder.write_json(path, value | {"reference": changed})
    zoo.seal(path.parent)
    with pytest.raises(zoo.PresetError, match=message):
        zoo.check("asr")


@pytest.mark.backend
def test_load_gives_a_translator_with_its_weights():
    folder = TINY.parent / "tiny_translation"
    reference = zoo.describe(folder)["reference"]
    found = zoo.load(folder).translate(
        reference["source"], beam=1, details=True
    )
    assert found["text"] == reference["text"]
    assert list(found["token_ids"]) == reference["token_ids"]


@pytest.mark.backend
def test_load_gives_a_classifier_with_its_weights():
    task = zoo.load(TINY.parent / "tiny_text")
    reference = zoo.describe(TINY.parent / "tiny_text")["reference"]
    found = task.classify(reference["text"])
    assert found.scores == pytest.approx(reference["scores"], abs=1e-4)


@pytest.mark.parametrize("name", ["model.safetensors", "sample.wav"])
def test_check_looks_at_every_file(home, name):
    with open(home / "asr" / "tiny_asr" / name, "ab") as file:
        file.write(b"\0")
    with pytest.raises(zoo.PresetError, match=f"{name} is damaged"):
        zoo.check("asr")


def test_seal_lists_what_is_run_and_keeps_the_rest(home):
    folder = home / "asr" / "tiny_asr"
    (folder / "extra").mkdir()
    (folder / "extra" / "data.bin").write_bytes(b"12345")
    (folder / "metrics.json").write_text("{}")
    sealed = zoo.seal(folder, aliases=["speech"])
    assert set(sealed["files"]) == {
        "extra/data.bin",
        "model.safetensors",
        "model.tflite",
        "sample.wav",
    }
    assert sealed["files"]["extra/data.bin"]["bytes"] == 5
    assert zoo.index()["aliases"] == {"asr": "tiny_asr", "speech": "tiny_asr"}
    assert zoo.describe("speech") == sealed
    before = (home / "index.json").read_bytes()
    zoo.seal(folder)
    assert (home / "index.json").read_bytes() == before


def test_seal_outside_the_zoo_leaves_the_index_alone(home, tmp_path):
    before = (home / "index.json").read_bytes()
    folder = shutil.copytree(TINY, tmp_path / "mine")
    zoo.seal(folder)
    assert (home / "index.json").read_bytes() == before
    assert zoo.verify(folder)


def test_seal_wants_the_folder_named_like_its_preset(home):
    folder = (home / "asr" / "tiny_asr").rename(home / "asr" / "another")
    before = (home / "index.json").read_bytes()
    with pytest.raises(zoo.PresetError, match="names the preset 'tiny_asr'"):
        zoo.seal(folder)
    assert (home / "index.json").read_bytes() == before


@pytest.mark.backend
def test_load_gives_the_task_with_its_weights(home):
    task = zoo.load("asr")
    reference = zoo.describe("asr")["reference"]
    folder = home / "asr" / "tiny_asr"
    found = task.transcribe(folder / reference["file"], details=True)
    assert found["text"] == reference["text"]
    assert found["token_ids"] == reference["token_ids"]


def test_load_refuses_weights_with_one_byte_changed(home):
    path = home / "asr" / "tiny_asr" / "model.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(zoo.PresetError, match=r"safetensors is damaged"):
        zoo.load("asr")


def test_without_keras_load_names_the_extras(home):
    code = (
        "import sys\n"
        "from keras_selfattn import backends, zoo\n"
        "backends._is_installed = lambda name: False\n"
        "zoo.load(sys.argv[1])\n"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(TINY)], capture_output=True, text=True
    )
    assert child.returncode == 1
    assert "pip install 'keras-selfattn[torch]'" in child.stderr


def test_the_folder_beside_the_package_is_taken_first(tmp_path):
    """An installed wheel has `_zoo` beside the module; a checkout `../zoo`."""
    package = Path(zoo.__file__).parent
    copy = tmp_path / "keras_selfattn"
    shutil.copytree(
        package, copy, ignore=shutil.ignore_patterns("_zoo", "__pycache__")
    )
    code = "from keras_selfattn import zoo; print(zoo.root())"

    def found():
        child = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
            check=True,
            capture_output=True,
            text=True,
        )
        return Path(child.stdout.strip())

    assert found() == tmp_path / "zoo"
    (copy / "_zoo").mkdir()
    assert found() == copy / "_zoo"


def test_the_shipped_index_holds_what_is_there():
    folders = {
        path.parent.relative_to(zoo.root()).as_posix()
        for path in zoo.root().glob("*/*/preset.json")
    }
    entries = zoo.index()["presets"] if SHIPPED else {}
    assert {entry["folder"] for entry in entries.values()} == folders


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_preset_is_whole_and_says_what_it_said(name):
    preset = zoo.describe(name)
    if "source" in preset:  # its weights are others': nothing is shipped
        assert not preset["files"] and zoo.card(name).startswith("# ")
        return
    if "base" in preset:  # the encoder is others': its file is made on demand
        assert "adapters.safetensors" in preset["files"]
        zoo.verify(zoo.resolve(name))
        assert zoo.card(name).startswith("# ")
        return
    expected = {"model.safetensors", "model.tflite"}
    if preset["task"] == "SpeechRecognizer":
        expected.add("sample.wav")
    if preset["task"] == "ImageGenerator":
        expected.add("sample.png")
    assert expected <= set(preset["files"])
    found = zoo.check(name)
    if preset["task"] != "ImageGenerator":
        assert getattr(found, "text", None) or found.label
    assert zoo.card(name).startswith("# ")
    json.loads((zoo.resolve(name) / "metrics.json").read_text())
