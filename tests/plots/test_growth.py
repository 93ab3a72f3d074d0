import importlib
import sys

import pytest

from keras_selfattn.plots.growth import plot_growth

SERIES = [
    {"label": "a", "points": [(128, 0.5, 2**20), (512, 2.0, 2**22)]},
    {"label": "b", "points": [(128, 0.1, None), (512, 0.2, 2**21)]},
]


def lines(panel):
    return {line.get_label(): list(line.get_ydata()) for line in panel.lines}


def test_draws_milliseconds_and_mebibytes(tmp_path):
    figure = plot_growth(SERIES, tmp_path / "new/growth.png", "title")
    assert (tmp_path / "new/growth.png").read_bytes()[1:4] == b"PNG"
    times, memory = figure.axes
    assert lines(times) == {"a": [500.0, 2000.0], "b": [100.0, 200.0]}
    assert lines(memory) == {"a": [1.0, 4.0], "b": [2.0]}
    assert times.get_xscale() == memory.get_yscale() == "log"
    ticks = [label.get_text() for label in times.get_xticklabels()]
    assert ticks == ["128", "512"]


def test_lines_of_one_number_have_one_colour():
    series = [{**line, "color": 3, "style": i} for i, line in enumerate(SERIES)]
    first, second = plot_growth(series).axes[0].lines
    assert first.get_color() == second.get_color() == "C3"
    assert first.get_linestyle() != second.get_linestyle()


@pytest.mark.filterwarnings("error")
def test_memory_that_nobody_could_measure_leaves_a_panel_empty(tmp_path):
    series = [{"label": "a", "points": [(128, 0.5, None)]}]
    figure = plot_growth(series, tmp_path / "growth.png")
    assert not lines(figure.axes[1])


def test_without_matplotlib_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    monkeypatch.delitem(sys.modules, "keras_selfattn.plots.growth")
    with pytest.raises(ImportError, match="pip install matplotlib"):
        importlib.import_module("keras_selfattn.plots.growth")
