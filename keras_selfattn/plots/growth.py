"""Time and memory over the length of a sequence, as a picture."""

try:
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullLocator
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
    figure = Figure(figsize=(10, 5), dpi=120, layout="constrained")
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
        panel.xaxis.set_minor_locator(NullLocator())  # they have labels
        panel.grid(alpha=0.3)
    # The panel with more lines names them all.
    handles, labels = max(
        (panel.get_legend_handles_labels() for panel in panels),
        key=lambda found: len(found[1]),
    )
    if handles:
        figure.legend(
            handles, labels, fontsize=8, loc="outside lower center", ncols=3
        )
    if title:
        figure.suptitle(title)
    if path is not None:
        with written_beside(path) as part:
            figure.savefig(part, format="png")
    return figure
