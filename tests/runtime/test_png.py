"""PNG files and grids, read back by pillow."""

import io

import numpy as np
import pytest

from keras_selfattn.runtime.png import encode_png, image_grid, write_png


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 1), (3, 2, 3), (1, 1, 4)])
def test_pillow_reads_what_was_written(tmp_path, shape):
    pictures = pytest.importorskip("PIL.Image")
    image = np.random.default_rng(0).integers(0, 256, shape, "uint8")
    write_png(tmp_path / "image.png", image)
    content = (tmp_path / "image.png").read_bytes()
    assert content == encode_png(image)
    with pictures.open(io.BytesIO(content)) as picture:
        np.testing.assert_array_equal(
            picture, image.reshape(picture_shape(shape))
        )


def picture_shape(shape):
    return shape[:2] if shape[2:] == (1,) else shape


def test_rows_of_images():
    images = np.arange(5, dtype="uint8")[:, None, None, None]
    images = np.broadcast_to(images, (5, 2, 3, 1))
    grid = image_grid(images, 3)
    assert grid.shape == (6, 13, 1)
    assert grid[0, [0, 3, 5, 10], 0].tolist() == [0, 255, 1, 2]
    assert grid[5, [0, 5, 10], 0].tolist() == [3, 4, 255]
    assert (grid[2:4] == 255).all()
    assert image_grid(images[:1], 3, scale=4).shape == (8, 12, 1)


@pytest.mark.parametrize(
    "image", [np.zeros((2, 2)), np.zeros((2, 2, 2), "uint8"), np.zeros(0)]
)
def test_what_is_no_image_is_named(image):
    with pytest.raises(ValueError, match="expected uint8"):
        encode_png(image)


def test_what_is_no_grid_is_named():
    with pytest.raises(ValueError, match=r"shape \(2, 2\); expected"):
        image_grid(np.zeros((2, 2)), 1)
    with pytest.raises(ValueError, match="columns is 0"):
        image_grid(np.zeros((1, 2, 2, 1)), 0)
