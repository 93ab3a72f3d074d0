"""Labels in, images out; in Keras, in a preset and in an exported file."""

import math

import numpy as np
import pytest

from keras_selfattn.tasks import ImageGenerator
from keras_selfattn.tasks.task import Task
from tests import tiny_image_generator as tiny

# An image's row, of seed 3, the same on every backend.
GOLDEN = [139, 154, 120, 120, 117, 128, 138, 123]


@pytest.fixture(scope="module")
def task():
    return tiny.task()


@pytest.mark.backend
def test_draws_the_same_images_on_every_backend(task):
    images = task.generate(["upper", 0, 1], truncation=2.0, seed=3)
    assert images.shape == (3, 8, 8, 1) and images.dtype == np.uint8
    apart = images[0, 4, :, 0].astype(int) - GOLDEN
    assert np.abs(apart).max() <= 1
    again = task.generate(["upper", 0, 1], truncation=2.0, seed=3)
    np.testing.assert_array_equal(again, images)
    other = task.generate(["upper", 0, 1], truncation=2.0, seed=4)
    assert (other != images).any()


def test_batches_and_given_latents_change_nothing(task):
    labels = [0, 1, 1, 0, 1]
    whole = task.generate(labels, seed=0)
    parts = task.generate(labels, seed=0, batch_size=2)
    assert np.abs(whole.astype(int) - parts).max() <= 1
    latents = task.draw_inputs(labels, seed=0)["latents"]
    given = task.generate(labels, latents=latents)
    np.testing.assert_array_equal(given, whole)


def test_attention_maps(task):
    maps = task.attention_maps([0, 1], seed=0)
    assert maps.shape == (2, 1, 16, 4) and maps.dtype == np.float32
    np.testing.assert_allclose(maps.sum(-1), 1, atol=1e-5)


def test_a_preset_comes_back(task, tmp_path):
    task.save_preset(tmp_path)
    again = Task.from_preset_folder(tmp_path)
    assert type(again) is ImageGenerator and again.labels == tiny.NAMES
    images, found = (
        t.generate([0, 1], seed=1).astype(int) for t in (task, again)
    )
    assert np.abs(images - found).max() <= 1  # float16


@pytest.mark.slow
def test_the_exported_file_draws_what_keras_draws(task, tmp_path):
    report = task.export(tmp_path / "model.tflite", progress=lambda line: None)
    assert report.equal == report.compared == 12
    assert report.max_abs_difference < 1e-5
    assert "pixels within" in str(report)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ({"labels": "middle"}, "'middle' is no class .* lower, upper"),
        ({"labels": [0, 2]}, "label 2 is no class"),
        ({"labels": []}, "No labels"),
        ({"truncation": 0}, "truncation=0; expected a number > 0"),
        ({"truncation": math.nan}, "truncation=nan"),
        ({"seed": -1}, "seed=-1"),
        ({"latents": np.zeros((1, 5))}, r"\(1, 5\); expected \(1, 6\)"),
        ({"latents": np.full((1, 6), np.inf)}, "not finite"),
    ],
    ids=str,
)
def test_what_it_cannot_take_is_named(task, call, words):
    with pytest.raises(ValueError, match=words):
        task.generate(**{"labels": 0, **call})


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (["one", "one"], "each once"),
        (["one"], "knows 2 classes; received 1 labels"),
    ],
)
def test_labels_that_do_not_fit_are_named(labels, words):
    with pytest.raises(ValueError, match=words):
        ImageGenerator(labels, tiny.generator())
