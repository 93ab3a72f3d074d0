"""A trained folder becomes a sealed preset whose sample is checked."""

import shutil

import pytest

from keras_selfattn import zoo


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setattr(zoo, "root", lambda: tmp_path / "zoo")
    return tmp_path / "zoo"


@pytest.mark.slow
def test_publishes_a_preset_that_checks_itself(load_script, repository, home):
    pytest.importorskip("tensorflow", reason="the export converts with it")
    golden = repository / "tests/golden/tiny_asr"
    folder = home / "asr/mine"
    found = load_script("train/publish.py").publish(
        golden,
        folder,
        {"sample": golden / "sample.wav"},
        "none",
        ["asr"],
        description="Random weights.",
        language="en",
        license="Apache-2.0",
    )
    assert found["text"] == zoo.describe(golden)["reference"]["text"]
    assert zoo.list_presets() == ["mine"]
    assert zoo.index()["aliases"] == {"asr": "mine"}
    assert zoo.describe("asr")["description"] == "Random weights."
    assert zoo.check("asr").text == found["text"]
    # A changed byte is noticed.
    shutil.copy(folder / "sample.wav", folder / "model.tflite")
    with pytest.raises(zoo.PresetError, match="model.tflite"):
        zoo.check("asr")


@pytest.mark.slow
def test_publishes_a_classifier_with_a_text_as_its_sample(
    load_script, repository, home
):
    pytest.importorskip("tensorflow", reason="the export converts with it")
    publish = load_script("train/publish.py").publish
    golden = repository / "tests/golden/tiny_text"
    folder = home / "text_classification/mine"
    facts = {"description": "Random.", "language": "en", "license": "MIT"}
    with pytest.raises(ValueError, match="is published with --text; give it"):
        publish(golden, folder, {"sample": "a.wav"}, "none", [], **facts)
    assert not folder.exists()
    found = publish(
        golden, folder, {"text": "a fine film"}, "float16", ["words"], **facts
    )
    assert zoo.describe("words")["reference"] == found
    assert sum(found["scores"].values()) == pytest.approx(1, abs=1e-5)
    assert zoo.check("words").label == found["label"]


@pytest.mark.slow
def test_publishes_a_translator_with_a_text_as_its_sample(
    load_script, repository, home
):
    pytest.importorskip("tensorflow", reason="the export converts with it")
    publish = load_script("train/publish.py").publish
    golden = repository / "tests/golden/tiny_translation"
    folder = home / "translation/mine"
    found = publish(
        *(golden, folder, {"text": "seven three nine"}, "none", ["digits"]),
        description="Numbers.",
        language="en",
        license="MIT",
    )
    assert found["text"] == "7 3 9"
    assert zoo.describe("digits")["reference"] == found
    assert zoo.check("digits").token_ids == found["token_ids"]


@pytest.mark.slow
def test_publishes_an_image_generator_with_a_grid_as_its_sample(
    load_script, repository, home
):
    pytest.importorskip("tensorflow", reason="the export converts with it")
    publish = load_script("train/publish.py").publish
    golden = repository / "tests/golden/tiny_image"
    folder = home / "image_generation/mine"
    facts = {"description": "Noise.", "license": "MIT"}
    with pytest.raises(ValueError, match="is published with --truncation"):
        publish(golden, folder, {"text": "a"}, "none", [], **facts)
    found = publish(
        golden, folder, {"truncation": 0.5}, "float16", ["noise"], **facts
    )
    assert zoo.describe("noise")["reference"] == found
    assert (found["truncation"], found["labels"]) == (0.5, ["0", "1", "2"])
    assert zoo.check("noise").shape == (3, 8, 8, 1)
    (folder / "sample.png").write_bytes(b"another")
    with pytest.raises(zoo.PresetError, match="sample.png"):
        zoo.check("noise")
