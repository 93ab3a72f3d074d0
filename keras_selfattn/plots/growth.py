"""Time and memory over the length of a sequence, as a picture."""

import warnings

try:
    from matplotlib.figure import Figure
except ImportError as error:
    raise ImportError(
        "Pictures need matplotlib: pip install matplotlib"
    ) from error

from keras_selfattn.atomic_file import written_beside

STYLES = ("-o", "--s", ":^", "-.v")


def plot_growth(series, path=None, title=""):
    """Draws seconds and bytes over lengths, both on logarithmic scales.

    On such scales what is linear rises by one decade a decade, what is
    quadratic by two.

    Args:
        series: list of dict, one a line: "label", str; "points", list of
            `(length, seconds, bytes)`, where seconds or bytes may be None;
            optionally "color", int, lines of one number in one colour, and
            "style", int, 0 to 3.
        path: PNG file to write, or None.
        title: str.

    Returns:
        `matplotlib.figure.Figure`.

    Example:
        >>> points = [(128, 0.01, 2**20), (512, 0.04, 2**22)]
        >>> plot_growth([{"label": "local", "points": points}], "growth.png")
    """
    figure = Figure(figsize=(10, 4.2), dpi=120, layout="constrained")
    panels = figure.subplots(1, 2)
    lengths = sorted({point[0] for line in series for point in line["points"]})
    for column, scale, label, panel in (
        (1, 1e3, "time of a step, ms", panels[0]),
        (2, 2**-20, "peak memory of a step, MiB", panels[1]),
    ):
        for number, line in enumerate(series):
            drawn = [
                (point[0], point[column] * scale)
                for point in line["points"]
                if point[column]
            ]
            if drawn:
                panel.plot(
                    *zip(*drawn),
                    STYLES[line.get("style", 0)],
                    color=f"C{line.get('color', number)}",
                    markersize=4,
                    label=line["label"],
                )
        panel.set(xlabel="length", ylabel=label, xscale="log", yscale="log")
        panel.set_xticks(lengths, [str(length) for length in lengths])
        panel.tick_params(axis="x", which="minor", bottom=False)
        panel.grid(alpha=0.3)
        with warnings.catch_warnings():  # nothing was drawn: no legend
            warnings.simplefilter("ignore", UserWarning)
            panel.legend(fontsize=7)
    if title:
        figure.suptitle(title)
    if path is not None:
        with written_beside(path) as part:
            figure.savefig(part, format="png")
    return figure
