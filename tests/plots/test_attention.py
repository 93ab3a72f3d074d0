import importlib
import sys

import keras
import numpy as np
import pytest

from keras_selfattn.layers import MultiHeadSelfAttention
from keras_selfattn.plots.attention import plot_attention
from tests.arrays import to_numpy

PNG = b"\x89PNG\r\n\x1a\n"
WORDS = ["the", "cat", "sat", "$5", "."]


def weights(*shape):
    scores = np.random.default_rng(0).random(shape).astype("float32")
    return scores / scores.sum(-1, keepdims=True)


def panels(figure):
    """The heads' axes: those that say what their queries are."""
    return [axes for axes in figure.axes if axes.get_ylabel()[:5] == "query"]


def labels(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_draws_what_a_layer_returns(tmp_path):
    layer = MultiHeadSelfAttention(num_heads=3)
    inputs = np.random.default_rng(0).normal(size=(1, 5, 6)).astype("float32")
    _, scores = layer(inputs, return_attention_scores=True)
    figure = plot_attention(scores, WORDS, tmp_path / "new/text.png", title="t")
    assert (tmp_path / "new/text.png").read_bytes()[:8] == PNG
    heads = panels(figure)
    assert [axes.get_title() for axes in heads] == [
        "head 0",
        "head 1",
        "head 2",
    ]
    for head, axes in enumerate(heads):
        drawn = axes.images[0].get_array()
        np.testing.assert_allclose(drawn, to_numpy(scores)[0, head])
    assert labels(heads[0].xaxis) == ["the", "cat", "sat", r"\$5", "."]


def test_all_heads_share_the_colours():
    scores = weights(2, 5, 5)
    scores[1] *= 0.1
    limits = [axes.images[0].get_clim() for axes in panels(plot(scores))]
    assert limits == [(0.0, pytest.approx(scores.max()))] * 2


def plot(scores, tokens=WORDS, **kwargs):
    return plot_attention(scores, tokens, **kwargs)


def test_a_translation_has_other_keys_than_queries():
    source = ["die", "katze", "sass"]
    figure = plot(weights(1, 5, 3), key_tokens=source)
    (panel,) = panels(figure)
    assert labels(panel.xaxis) == source
    assert labels(panel.yaxis)[1] == "cat"
    assert panel.images[0].get_array().shape == (5, 3)


def test_a_spectrogram_is_drawn_along_both_axes(tmp_path):
    frames = np.random.default_rng(1).random((40, 8))
    scores = weights(2, 40, 40)
    figure = plot(scores, frames, path=tmp_path / "s.png", frame_seconds=0.02)
    panel = panels(figure)[0]
    above, right = panel.child_axes
    np.testing.assert_allclose(above.images[0].get_array(), frames.T)
    np.testing.assert_allclose(right.images[0].get_array(), frames)
    assert panel.get_xlabel() == "key, s"
    assert panel.xaxis.get_major_formatter()(10, None) == "0.2"
    assert plot(scores, frames).axes[0].get_xlabel() == "key frame"


def test_text_may_attend_a_spectrogram():
    figure = plot(weights(2, 5, 40), key_tokens=np.ones((40, 8)))
    (strip,) = panels(figure)[0].child_axes
    assert strip.images[0].get_array().shape == (8, 40)


def test_of_many_tokens_some_are_named():
    names = [f"w{i}" for i in range(100)]
    axis = panels(plot(weights(100, 100), names))[0].xaxis
    assert labels(axis)[:3] == ["w0", "w3", "w6"]


def test_a_notebook_shows_it_without_pyplot():
    assert plot(weights(1, 5, 5))._repr_png_()[:8] == PNG


@pytest.mark.filterwarnings("error")
def test_missing_chinese_signs_are_told_once(monkeypatch):
    module = sys.modules["keras_selfattn.plots.attention"]
    monkeypatch.setattr(module, "CHINESE_FONTS", ())
    signs = list("\u4e00\u53ea\u5c0f\u72d7")
    with pytest.warns(UserWarning, match="fonts-noto-cjk") as told:
        figure = plot(weights(1, 4, 4), signs)
    figure._repr_png_()
    assert len(told) == 1


def test_bfloat16_scores_are_drawn():
    scores = keras.ops.cast(weights(1, 5, 5), "bfloat16")
    drawn = panels(plot(scores))[0].images[0].get_array()
    np.testing.assert_allclose(drawn, weights(1, 5, 5)[0], atol=0.01)


@pytest.mark.parametrize(
    "scores, tokens, message",
    [
        (weights(2, 3, 5, 5), WORDS, "index the batch"),
        (weights(5), WORDS, r"shape \(5,\); expected \(heads"),
        (weights(2, 4, 5), WORDS, "have 4 queries, but tokens has 5"),
        (weights(2, 5, 4), WORDS, "have 4 keys, but key_tokens has 5"),
        (weights(2, 5, 5), np.ones(5), "neither a list of str nor"),
    ],
)
def test_what_does_not_fit_is_refused(scores, tokens, message):
    with pytest.raises(ValueError, match=message):
        plot(scores, tokens)


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "keras_selfattn.plots.attention")
    with pytest.raises(ImportError, match="pip install matplotlib"):
        importlib.import_module("keras_selfattn.plots.attention")
