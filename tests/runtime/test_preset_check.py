"""What a preset's file gives for its sample; see also `tests/test_zoo.py`."""

import shutil

import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime import preset_folder
from tests.command_line import GOLDEN


def text_preset(tmp_path, **reference):
    folder = tmp_path / "tiny_text"
    shutil.copytree(GOLDEN / "tiny_text", folder)
    value = preset_folder.read(folder)
    value["reference"] |= reference
    preset_folder.write_json(folder / "preset.json", value)
    return folder


def test_an_image_preset_draws_its_sample(tmp_path):
    folder = shutil.copytree(GOLDEN / "tiny_image", tmp_path / "tiny")
    assert zoo.check(folder).shape == (3, 8, 8, 1)
    value = preset_folder.read(folder)
    value["reference"]["levels"][2][3][1] += 3
    preset_folder.write_json(folder / "preset.json", value)
    with pytest.raises(zoo.PresetError, match="are 3.0 of 255 from those"):
        zoo.check(folder)


def test_a_text_preset_gives_its_label(tmp_path):
    found = zoo.check(text_preset(tmp_path))
    assert found.label == "good"
    assert found.score > 0.9


@pytest.mark.parametrize(
    "reference",
    [
        {"label": "bad"},
        {"text": "so bad"},
        {"scores": {"good": 0.9, "bad": 0.1}},
        {"scores": {"great": 1.0}},
    ],
)
def test_another_label_or_score_is_found(tmp_path, reference):
    said = r"expected .*, found '(good|bad)'"
    with pytest.raises(zoo.PresetError, match=said):
        zoo.check(text_preset(tmp_path, **reference))


def test_a_translator_gives_its_translation(tmp_path):
    folder = tmp_path / "tiny_translation"
    shutil.copytree(GOLDEN / "tiny_translation", folder)
    assert zoo.check(folder).text == "7 3 9"
    value = preset_folder.read(folder)
    value["reference"]["source"] = "one"
    preset_folder.write_json(folder / "preset.json", value)
    with pytest.raises(zoo.PresetError, match="on one: text expected '7 3 9'"):
        zoo.check(folder)
