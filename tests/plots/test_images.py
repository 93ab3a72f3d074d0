"""Pictures of images: rows, the heat of a query, and errors."""

import importlib
import sys

import numpy as np
import pytest

from keras_selfattn.plots.images import plot_image_attention, plot_images

IMAGE = np.arange(64, dtype="uint8").reshape(8, 8, 1)


def test_a_row_a_class(tmp_path):
    images = np.stack([np.full((4, 5, 3), i, "uint8") for i in range(5)])
    figure = plot_images(
        images, [2, 0, 2, 2, 0], ["a", "b", "c"], tmp_path / "new/grid.png"
    )
    assert (tmp_path / "new/grid.png").read_bytes()[1:4] == b"PNG"
    panels = np.reshape(figure.axes, (2, 3))
    assert [row[0].get_ylabel() for row in panels] == ["a", "c"]
    shown = [
        [panel.images[0].get_array()[0, 0, 0] for panel in row if panel.images]
        for row in panels
    ]
    assert shown == [[1, 4], [0, 2, 3]]


def test_the_heat_is_that_of_the_query(tmp_path):
    scores = np.zeros((2, 16, 4), "float32")  # 4 x 4 queries, 2 x 2 keys
    scores[0, 2 * 4 + 3, 1] = 1.0  # lower right looks to the upper right
    figure = plot_image_attention(
        IMAGE, scores, [(5, 7), (0, 0)], tmp_path / "look.png", "title"
    )
    assert (tmp_path / "look.png").read_bytes()[1:4] == b"PNG"
    whole, looking, other = figure.axes
    assert len(whole.images) == 1 and len(whole.lines) == 2
    heat = looking.images[1].get_array()
    np.testing.assert_array_equal(heat, [[0.0, 0.5], [0.0, 0.0]])
    assert not other.images[1].get_array().any()
    assert looking.lines[0].get_xydata().tolist() == [[7, 5]]
    assert looking.get_title() == "(5, 7), to 0.50"


def test_five_queries_where_none_are_given():
    figure = plot_image_attention(IMAGE, np.ones((64, 64)) / 64)
    assert len(figure.axes) == 6


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((IMAGE[None], np.ones((4, 4))), "expected those of one image"),
        ((IMAGE, np.ones((6, 4))), "grid is .2, 2., 4 places.*have 6"),
        ((IMAGE, np.ones((4, 3))), "key_grid is"),
        ((IMAGE, np.ones((4, 4)), [(8, 0)]), "outside the image of 8 x 8"),
    ],
)
def test_what_does_not_fit_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        plot_image_attention(*arguments)


def test_a_label_an_image():
    with pytest.raises(ValueError, match="there are 2 labels"):
        plot_images(IMAGE[None], [0, 1], ["a", "b"])


def test_without_matplotlib_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "keras_selfattn.plots.images")
    with pytest.raises(ImportError, match="pip install matplotlib"):
        importlib.import_module("keras_selfattn.plots.images")
