import io
import os

import numpy as np
import pytest

from keras_selfattn.training.curves import plot_curves

HISTORY = [
    {"epoch": 0, "loss": 3.0},
    {"epoch": 1, "loss": 1.0, "dev_wer": 0.8, "dev_cer": 0.4},
    {"epoch": 2, "loss": float("nan"), "dev_wer": 0.6, "dev_cer": None},
]


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were saved, to look at their lines."""
    from matplotlib.figure import Figure

    figures, savefig = [], Figure.savefig

    def remember(figure, *args, **kwargs):
        figures.append(figure)
        return savefig(figure, *args, **kwargs)

    monkeypatch.setattr(Figure, "savefig", remember)
    return figures


def lines(axes):
    return {
        line.get_label(): np.asarray(line.get_ydata(), float)
        for line in axes.get_lines()
    }


def test_draws_losses_left_and_rates_right_with_gaps(tmp_path, drawn):
    plot_curves(HISTORY, tmp_path / "curves.png", "digits", "nats a label")
    left, right = drawn[0].axes
    assert left.get_ylabel() == "nats a label"
    assert drawn[0].get_suptitle() == "digits"
    nan = np.nan
    np.testing.assert_equal(lines(left), {"loss": [3.0, 1.0, nan]})
    np.testing.assert_equal(
        lines(right), {"dev_wer": [80, 60], "dev_cer": [40]}
    )
    wer, cer = right.get_lines()
    assert list(wer.get_xdata()) == [2, 3] and list(cer.get_xdata()) == [2]
    assert wer.get_color() == cer.get_color()
    assert wer.get_linestyle() != cer.get_linestyle()


def test_draws_scores_as_they_are(tmp_path, drawn):
    history = [
        {"epoch": 0, "loss": 3.0, "dev_bleu": 12.5, "dev_signature": "x"},
        {"epoch": 1, "loss": 2.0, "dev_bleu": 20.0, "dev_chrf": 40.0},
    ]
    plot_curves(history, tmp_path / "curves.png")
    _, right = drawn[0].axes
    assert right.get_ylabel() == "score"
    np.testing.assert_equal(
        lines(right), {"dev_bleu": [12.5, 20.0], "dev_chrf": [40.0]}
    )


def test_draws_what_is_right_where_no_error_rate_is_given(tmp_path, drawn):
    history = [{"epoch": 0, "loss": 1.0, "dev_accuracy": 0.5, "dev_f1": 0.25}]
    plot_curves(history, tmp_path / "curves.png")
    right = drawn[0].axes[1]
    np.testing.assert_equal(
        lines(right), {"dev_accuracy": [50], "dev_f1": [25]}
    )
    assert right.get_ylabel() == "right (%)"


def test_losses_alone_have_the_picture_alone(tmp_path, drawn):
    history = [{"epoch": 0, "loss": 1.0, "dev_loss": 1.5}]
    plot_curves(history, tmp_path / "curves.png")
    (axes,) = drawn[0].axes
    np.testing.assert_equal(lines(axes), {"loss": [1.0], "dev_loss": [1.5]})


def test_single_losses_are_a_line_within_the_epochs(tmp_path, drawn):
    steps = [
        {"epoch": epoch, "batch": batch, "loss": 4.0 - 2 * epoch - batch / 500}
        for epoch in range(2)
        for batch in range(500)
    ]
    plot_curves(HISTORY[:2], tmp_path / "curves.png", steps=steps)
    thin, means = drawn[0].axes[0].get_lines()
    places, losses = thin.get_data()
    assert len(places) == 300 and 0 < places[0] < 0.01
    assert places[-1] == pytest.approx(2, abs=0.01)
    assert (np.diff(places) > 0).all()
    assert losses[0] == pytest.approx(4, abs=0.01)
    assert losses[-1] == pytest.approx(1, abs=0.01)
    assert list(means.get_xdata()) == [1, 2]
    plot_curves(HISTORY[:1], tmp_path / "curves.png", steps=steps[:3])
    assert len(drawn[1].axes[0].get_lines()[0].get_xdata()) == 3


def test_writes_a_whole_picture_and_nothing_beside_it(tmp_path):
    from matplotlib import pyplot

    path = tmp_path / "curves.png"
    plot_curves(HISTORY[:1], path)
    first = path.read_bytes()
    plot_curves(HISTORY, path)
    assert path.read_bytes() != first
    assert os.listdir(tmp_path) == ["curves.png"]
    pixels = pyplot.imread(io.BytesIO(path.read_bytes()))
    assert pixels.shape[:2] == (432, 1440)
    assert not pyplot.get_fignums()  # no window is opened


def test_no_epoch_is_refused(tmp_path):
    with pytest.raises(ValueError, match="history is empty"):
        plot_curves([], tmp_path / "curves.png")
