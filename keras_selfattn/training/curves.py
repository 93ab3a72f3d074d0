"""Training curves as a picture."""

import os
from pathlib import Path


def plot_curves(history, path, title=""):
    """Draws loss and error rates by epoch as a PNG.

    Args:
        history: list of dict, one an epoch; "epoch", "loss" and any number
            of other numeric entries ("dev_wer", "dev_cer", ... as parts of
            one), drawn in a second panel as percentages.
        path: PNG file to write.
        title: str.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [row["epoch"] for row in history]
    for name in ("loss", "dev_loss"):
        if any(name in row for row in history):
            left.plot(epochs, [row.get(name) for row in history], label=name)
    left.set(xlabel="epoch", ylabel="CTC loss (nats a label)")
    left.legend()
    names = [
        key
        for key in history[-1]
        if key.endswith(("wer", "cer")) and history[-1][key] is not None
    ]
    for name in names:
        values = [
            None if row.get(name) is None else 100 * row[name]
            for row in history
        ]
        right.plot(epochs, values, marker=".", label=name)
    right.set(xlabel="epoch", ylabel="error rate (%)", ylim=(0, 105))
    right.grid(alpha=0.3)
    if names:
        right.legend()
    figure.suptitle(title)
    path = Path(path)
    beside = path.with_name(f".{path.name}.part.png")
    figure.savefig(beside, dpi=120)
    os.replace(beside, path)
