"""`ImageGenerator`: images of an exported file, without Keras."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from keras_selfattn.export import metadata
from keras_selfattn.runtime import ImageGenerator, ModelError
from keras_selfattn.runtime.image_generator import coarse_levels

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "tiny_image"
WITHOUT_KERAS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED = {"keras", "tensorflow", "torch", "jax", "safetensors", "PIL",
           "matplotlib", "scipy", "typer", "rich"}
sys.meta_path.insert(0, Blocked())
from keras_selfattn.runtime import ImageGenerator
print(ImageGenerator(sys.argv[1]).generate("1", seed=0).shape)
"""


@pytest.fixture(scope="module")
def generator():
    return ImageGenerator(TINY)


def test_the_seed_says_which_images(generator):
    labels = ["0", 2, "1"] * 7  # more than are drawn at a time
    images = generator.generate(labels, 0.7, seed=3)
    assert (images.shape, images.dtype) == ((21, 8, 8, 1), "uint8")
    again = ImageGenerator(TINY / "model.tflite", num_threads=2)
    np.testing.assert_array_equal(again.generate(labels, 0.7, 3), images)
    assert (generator.generate(labels, 0.7, seed=4) != images).any()
    assert (generator.generate(labels, 0.7) != images).any()


@pytest.mark.backend
def test_it_draws_what_keras_draws(generator):
    from keras_selfattn.tasks import ImageGenerator as Task

    task = Task.from_preset_folder(TINY)
    labels = ["0", "1", "2", "1"]
    found = generator.generate(labels, 0.8, seed=1).astype(int)
    expected = task.generate(labels, 0.8, seed=1)
    assert abs(found - expected).max() <= 1
    assert found.std() > 10


def test_what_it_cannot_draw_is_named(generator):
    with pytest.raises(ValueError, match="label '7' is no class.*0, 1, 2"):
        generator.generate("7")
    with pytest.raises(ValueError, match="truncation=0; expected a number > 0"):
        generator.generate("1", truncation=0)
    with pytest.raises(ValueError, match="seed=-1"):
        generator.generate("1", seed=-1)
    with pytest.raises(ValueError, match="No labels"):
        generator.generate([])


def test_another_file_is_no_image_generator(tmp_path):
    with pytest.raises(ModelError, match="is no image generator"):
        ImageGenerator(GOLDEN / "tiny_text")
    with pytest.raises(ModelError, match="does not exist"):
        ImageGenerator(tmp_path / "none.tflite")
    path = Path(shutil.copy(TINY / "model.tflite", tmp_path))
    metadata.append(path, metadata.read(path) | {"image_size": 28})
    with pytest.raises(ModelError, match="metadata says 28 pixels"):
        ImageGenerator(path)


def test_it_needs_no_keras():
    found = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, str(TINY)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout == "(1, 8, 8, 1)\n"


def test_levels_of_cells():
    images = np.arange(64, dtype="uint8").reshape(1, 8, 8, 1)
    levels = coarse_levels(images)
    assert levels.shape == (1, 4, 4)
    assert levels[0, 0, 0] == np.mean([0, 1, 8, 9])
    assert levels[0, 3, 1] == np.mean([50, 51, 58, 59])
    assert coarse_levels(np.ones((2, 7, 5, 3), "uint8")).shape == (2, 4, 4)
