"""Training curves as a picture."""

import io

import numpy as np

from keras_selfattn.atomic_file import write_atomically

MOST_MEANS = 300  # of single losses, in a picture
# A set has one colour, each of its rates a line of its own kind.
LINES = {"cer": "--", "f1": ":", "bleu": "--", "chrf": ":"}


def plot_curves(history, path, title="", loss_label="loss", steps=()):
    """Draws losses and rates by epoch as a PNG.

    An entry that is not finite is a gap; epochs without one are passed over.
    Single losses, means of a few, are a thin line within the epochs.

    Args:
        history: list of dict, one an epoch, at least one: "epoch", "loss",
            "dev_loss", and any number of entries whose names end in "wer",
            "cer", "accuracy" or "f1" (parts of one; drawn as percentages), or
            "bleu" or "chrf" (of 100), drawn in a second panel where there
            are any.
        path: PNG file to write.
        title: str.
        loss_label: str, the losses' axis.
        steps: list of dict, one a step: "epoch", "batch", "loss"; or none.

    Raises:
        ValueError: for no epoch.
    """
    if not history:
        raise ValueError("history is empty; expected a row for each epoch.")
    from matplotlib.figure import Figure

    def draw(axes, scales):
        colours = {}  # of sets
        for name, scale in scales.items():
            rows = [row for row in history if row.get(name) is not None]
            of, _, rate = name.rpartition("_")
            axes.plot(
                [row["epoch"] + 1 for row in rows],  # what it was after
                [scale * row[name] for row in rows],
                marker=".",
                label=name,
                color=colours.setdefault(of, f"C{len(colours)}"),
                linestyle=LINES.get(rate, "-"),
            )
        if scales:
            axes.legend(
                loc="upper left", bbox_to_anchor=(1, 1), fontsize="small"
            )
        axes.grid(alpha=0.3)

    found = dict.fromkeys(name for row in history for name in row)
    losses = [name for name in ("loss", "dev_loss") if name in found]
    errors = [name for name in found if name.endswith(("wer", "cer"))]
    rates = errors or [n for n in found if n.endswith(("accuracy", "f1"))]
    scores = [name for name in found if name.endswith(("bleu", "chrf"))]
    panels = 2 if rates or scores else 1
    figure = Figure(figsize=(6 * panels, 3.6), layout="constrained")
    left, *others = figure.subplots(1, panels, sharex=True, squeeze=False)[0]
    if steps:
        left.plot(*_within_epochs(steps), color="C0", alpha=0.4, linewidth=0.8)
    draw(left, dict.fromkeys(losses, 1))
    left.set(xlabel="epochs", ylabel=loss_label)
    for right in others:
        draw(right, dict.fromkeys(rates, 100) | dict.fromkeys(scores, 1))
        label = "error rate (%)" if errors else "right (%)"
        label = "score" if scores else label
        right.set(xlabel="epochs", ylabel=label, ylim=(0, 105))
    for axes in (left, *others):
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())


def _within_epochs(steps):
    """Where means of single losses stand, in epochs, and these."""
    batches = 1 + max(row["batch"] for row in steps)
    places = [row["epoch"] + (row["batch"] + 1) / batches for row in steps]
    pieces = np.array_split(
        np.array([places, [row["loss"] for row in steps]], "float64"),
        min(len(steps), MOST_MEANS),
        axis=1,
    )
    return np.stack([piece.mean(1) for piece in pieces], 1)
