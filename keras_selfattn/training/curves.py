"""Training curves as a picture."""

import io

from keras_selfattn.atomic_file import write_atomically


def plot_curves(history, path, title="", loss_label="loss"):
    """Draws losses and rates by epoch as a PNG.

    An epoch without an entry, or whose entry is not finite, is a gap.

    Args:
        history: list of dict, one an epoch, at least one: "epoch", "loss",
            "dev_loss", and any number of entries whose names end in "wer",
            "cer", "accuracy" or "f1" (parts of one; drawn as percentages), or
            "bleu" or "chrf" (of 100), drawn in a second panel.
        path: PNG file to write.
        title: str.
        loss_label: str, the losses' axis.

    Raises:
        ValueError: for no epoch.
    """
    if not history:
        raise ValueError("history is empty; expected a row for each epoch.")
    from matplotlib.figure import Figure

    def draw(axes, names, scale):
        colours = {}  # one for a set; its second rate is dashed
        for name in names:
            rows = [row.get(name) for row in history]
            values = [float("nan") if v is None else scale * v for v in rows]
            of = name.removesuffix("wer").removesuffix("cer")
            axes.plot(
                epochs,
                values,
                marker=".",
                label=name,
                color=colours.setdefault(of, f"C{len(colours)}"),
                linestyle="--" if name.endswith("cer") else "-",
            )
        if names:
            axes.legend(
                loc="upper left", bbox_to_anchor=(1, 1), fontsize="small"
            )
        axes.grid(alpha=0.3)

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    found = dict.fromkeys(name for row in history for name in row)
    losses = [name for name in ("loss", "dev_loss") if name in found]
    errors = [name for name in found if name.endswith(("wer", "cer"))]
    rates = errors or [n for n in found if n.endswith(("accuracy", "f1"))]
    draw(left, losses, 1)
    scores = [name for name in found if name.endswith(("bleu", "chrf"))]
    draw(right, rates, 100)
    draw(right, scores, 1)
    left.set(xlabel="epoch", ylabel=loss_label)
    label = "error rate (%)" if errors or not rates else "right (%)"
    label = "score" if scores else label
    right.set(xlabel="epoch", ylabel=label, ylim=(0, 105))
    for axes in (left, right):
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())
