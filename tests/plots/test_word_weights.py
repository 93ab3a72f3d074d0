import sys

import pytest

from keras_selfattn import plots
from keras_selfattn.plots.word_weights import (
    draw_word_weights,
    plot_word_weights,
    word_weights_html,
)

TOKENS = ["the", "film", "<i>", "很好"]
WEIGHTS = [0.1, 0.2, 0.0, 0.7]


def test_html_colours_each_word_by_its_weight():
    page = word_weights_html(TOKENS, WEIGHTS, "good & <bold>")
    assert page.startswith("<!DOCTYPE html>")
    assert "good &amp; &lt;bold&gt;" in page
    assert "&lt;i&gt;" in page and "<i>" not in page
    assert page.count("<span") == 4
    assert "rgba(33,102,172,1.000)" in page  # the largest
    assert "rgba(33,102,172,0.286)" in page
    assert 'title="0.7000"' in page
    part = word_weights_html(TOKENS, WEIGHTS, whole_page=False)
    assert part.startswith("<div")


@pytest.mark.filterwarnings("ignore:No font with Chinese")
def test_a_picture_has_every_word_in_rows(tmp_path):
    tokens, weights = TOKENS * 20, WEIGHTS * 20
    figure = plot_word_weights(tokens, weights, "title")
    (panel,) = figure.axes
    assert [text.get_text() for text in panel.texts] == tokens
    rows = {text.get_position()[1] for text in panel.texts}
    assert len(rows) > 2
    alphas = [t.get_bbox_patch().get_facecolor()[3] for t in panel.texts[:4]]
    assert alphas == pytest.approx([w / 0.7 for w in WEIGHTS])
    draw_word_weights(tokens, weights, tmp_path / "new" / "why.png")
    assert (tmp_path / "new" / "why.png").read_bytes()[1:4] == b"PNG"


def test_html_needs_no_matplotlib(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(
        sys.modules, "keras_selfattn.plots.attention", raising=False
    )
    draw_word_weights(TOKENS, WEIGHTS, tmp_path / "why.html", "t")
    assert "film" in (tmp_path / "why.html").read_text()
    with pytest.raises(ImportError, match="pip install matplotlib"):
        draw_word_weights(TOKENS, WEIGHTS, tmp_path / "why.png")


@pytest.mark.parametrize(
    "tokens, weights, said",
    [
        (TOKENS, [1.0], "4 tokens and 1 weights"),
        ([], [], "one token at least"),
        (["a"], [float("nan")], "finite and not negative"),
        (["a"], [-1.0], "finite and not negative"),
    ],
)
def test_weights_that_do_not_fit_are_refused(tokens, weights, said):
    with pytest.raises(ValueError, match=said):
        word_weights_html(tokens, weights)


def test_too_many_words_for_a_picture_go_to_html():
    with pytest.raises(ValueError, match=r"write \.html"):
        plot_word_weights(["a"] * 2001, [0.1] * 2001)


def test_names_are_found_on_first_use():
    assert plots.word_weights_html is word_weights_html
    with pytest.raises(AttributeError, match="'plot_all'"):
        _ = plots.plot_all
