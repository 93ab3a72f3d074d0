"""Image generators are measured against what was held out."""

import json
import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from keras_selfattn.runtime import preset_folder
from tests.judged_images import NAMES, RowJudge, write_pictures

pytest.importorskip("PIL")


@pytest.fixture
def yardsticks(load_script, monkeypatch, tmp_path):
    """The script's module of measures, with a judge that only reads rows."""
    load_script("train/evaluate_image_generator.py")
    module = load_script("train/image_yardstick.py")
    monkeypatch.setitem(__import__("sys").modules, "image_yardstick", module)
    monkeypatch.setattr(module, "Judge", RowJudge)
    return module


@pytest.fixture
def pictures(tmp_path):
    return write_pictures(tmp_path / "pictures")


def yardstick(module, pictures):
    return module.Yardstick(pictures, str(pictures), 12)


class Copier:
    """Gives images of a list, whatever the latents."""

    labels = NAMES

    def __init__(self, images):
        self.images = images

    def generate(self, labels, truncation, seed):
        return self.images


def test_images_that_were_held_out_are_perfect(
    load_script, yardsticks, pictures
):
    script = load_script("train/evaluate_image_generator.py")
    found = yardstick(yardsticks, pictures)
    copies = script.measure(Copier(found.images), found, [1.0], 0)[1.0]
    assert copies["images"] == 12
    for name in ("accuracy", "precision", "recall", "coverage", "class_spread"):
        assert copies[name] == 1.0
    assert copies["frechet"] == 0.0
    wrong = script.measure(Copier(found.images[::-1]), found, [1.0], 0)[1.0]
    assert wrong["accuracy"] < 0.7
    one = np.repeat(found.images[:1], 12, 0)
    collapsed = script.measure(Copier(one), found, [1.0], 0)[1.0]
    assert collapsed["class_spread"] == 0.0
    assert collapsed["coverage"] < 0.7 and collapsed["frechet"] > 1


def test_copies_of_training_images_show(yardsticks, pictures):
    found = yardstick(yardsticks, pictures)
    images, labels = found.train
    assert found.measure(images[:12], labels[:12])["nearest_train"] == 0.0
    real = found.real()
    assert real["images"] == 12 and real["nearest_train"] > 0


def test_a_judge_of_other_images_is_refused(yardsticks, pictures):
    with pytest.raises(ValueError, match="would have seen the images"):
        yardsticks.Yardstick(pictures, str(pictures), 6)


def test_the_generator_must_draw_these_classes(
    load_script, yardsticks, pictures
):
    script = load_script("train/evaluate_image_generator.py")
    found = yardstick(yardsticks, pictures)
    found.names = ["a", "b", "c"]
    with pytest.raises(ValueError, match="held-out images are of"):
        script.measure(Copier(found.images), found, [1.0], 0)


def test_figures_enter_the_preset(
    load_script, repository, yardsticks, pictures, tmp_path
):
    script = load_script("train/evaluate_image_generator.py")
    report = load_script("train/report.py")
    folder = tmp_path / "tiny_image"
    shutil.copytree(repository / "tests/golden/tiny_image", folder)
    app = script.typer.Typer()
    app.command()(script.main)
    options = ["--preset", folder, "--judge", pictures, "--data", pictures]
    options += ["--held-out", 12, "--truncation", 0.5, "--truncation", 2]
    result = CliRunner().invoke(
        app, [*map(str, options), "--update-metrics"], catch_exceptions=False
    )
    assert result.exit_code == 0, result.output
    entries = json.loads((folder / "metrics.json").read_text())["results"]
    assert [entry["truncation"] for entry in entries] == [0.5, 2.0]
    keys = report.COMMON_KEYS | report.RESULT_KEYS["ImageGenerator"]
    assert keys <= entries[0].keys()
    sha = preset_folder.sha256(folder / "model.tflite")
    assert entries[0]["file_sha256"] == sha
    preset = report.Preset("tiny_image", "ImageGenerator", folder, entries)
    text = report.render_images([preset])
    assert text.count("| `tiny_image` |") == 2
    assert "| real images in their place |" in text
    assert "reads 75.0 % of those held out right" in text
    assert text.endswith(entries[0]["command"] + "\n```\n\n")
