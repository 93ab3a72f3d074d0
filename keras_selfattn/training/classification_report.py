"""What a classifier gets right and wrong, as figures, text and a picture.

Needs scikit-learn (and matplotlib for the picture).

Shapes: `B` examples, `C` classes.
"""

import io
import json
from pathlib import Path

import numpy as np

from keras_selfattn.atomic_file import write_atomically


def classification_report(labels, truth, scores):
    """Accuracy, Matthews correlation; precision, recall, F1 and their means.

    The Matthews correlation is 1 where all is right and 0 for chance, however
    rare a class is; it is CoLA's figure (Warstadt et al. 2019,
    arXiv:1805.12471). A class that is never predicted has precision 0; one
    that never occurs, recall 0 and no part in the macro means.

    Args:
        labels: list of str, the classes' names.
        truth: int array `(B,)`, at least one.
        scores: float array `(B, C)`, the highest of a row is the answer.

    Returns:
        JSON-able dict of "examples", "accuracy", "matthews", "macro"
        (precision, recall, f1), "classes" (of each name precision, recall,
        f1, support) and "confusion" (rows: truth, columns: answer).

    Raises:
        ValueError: no example, or shapes that do not fit.
    """
    from sklearn.metrics import (
        confusion_matrix,
        matthews_corrcoef,
        precision_recall_fscore_support,
    )

    truth, scores = np.asarray(truth), np.asarray(scores)
    if not len(truth) or scores.shape != (len(truth), len(labels)):
        raise ValueError(
            f"truth has {len(truth)} examples and scores the shape "
            f"{scores.shape}; expected at least one, and (examples, "
            f"{len(labels)})."
        )
    found = scores.argmax(-1)
    places = list(range(len(labels)))
    columns = precision_recall_fscore_support(
        truth, found, labels=places, zero_division=0
    )
    kinds = ("precision", "recall", "f1")
    classes = {
        label: {
            **{kind: float(columns[k][i]) for k, kind in enumerate(kinds)},
            "support": int(columns[3][i]),
        }
        for i, label in enumerate(labels)
    }
    there = [entry for entry in classes.values() if entry["support"]]
    return {
        "examples": len(truth),
        "accuracy": float(np.mean(found == truth)),
        "matthews": float(matthews_corrcoef(truth, found)),
        "macro": {
            kind: float(np.mean([entry[kind] for entry in there]))
            for kind in kinds
        },
        "classes": classes,
        "confusion": confusion_matrix(truth, found, labels=places).tolist(),
    }


def report_text(report):
    """A report as lines of text, in per cent."""
    width = max(len("macro mean"), *map(len, report["classes"]))
    lines = [f"{'':{width}}  precision  recall     F1  examples"]
    rows = {**report["classes"], "macro mean": report["macro"]}
    for label, entry in rows.items():
        lines.append(
            f"{label:{width}}  {100 * entry['precision']:9.1f}  "
            f"{100 * entry['recall']:6.1f}  {100 * entry['f1']:5.1f}  "
            f"{entry.get('support', report['examples']):8,}"
        )
    lines.append(
        f"accuracy {100 * report['accuracy']:.2f} %, Matthews correlation "
        f"{report['matthews']:.3f}"
    )
    return "\n".join(lines)


def error_examples(texts, labels, truth, scores, count=50):
    """The wrong answers that were surest, surest first.

    Args:
        texts: list of str.
        labels: list of str.
        truth: int array `(B,)`.
        scores: float array `(B, C)`, probabilities.
        count: int, at most so many.

    Returns:
        list of dict of "text", "label", "found" and "score".
    """
    truth, scores = np.asarray(truth), np.asarray(scores)
    found = scores.argmax(-1)
    wrong = np.flatnonzero(found != truth)
    order = wrong[np.argsort(-scores[wrong, found[wrong]], kind="stable")]
    return [
        {
            "text": texts[i],
            "label": labels[truth[i]],
            "found": labels[found[i]],
            "score": round(float(scores[i, found[i]]), 4),
        }
        for i in order[:count]
    ]


def plot_confusion(report, path, title=""):
    """Draws the confusion matrix as a PNG: shares of each true class.

    Args:
        report: what `classification_report` gave.
        path: PNG file to write.
        title: str.
    """
    from matplotlib.figure import Figure

    labels = list(report["classes"])
    counts = np.array(report["confusion"])
    shares = counts / np.maximum(counts.sum(-1, keepdims=True), 1)
    side = 2.6 + 0.5 * len(labels)
    figure = Figure(figsize=(side + 1, side), layout="constrained")
    axes = figure.subplots()
    image = axes.imshow(100 * shares, cmap="Blues", vmin=0, vmax=100)
    for i, j in np.ndindex(*counts.shape):
        axes.text(
            j,
            i,
            f"{counts[i, j]}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if shares[i, j] > 0.5 else "black",
        )
    places = range(len(labels))
    axes.set_xticks(places, labels, rotation=90 if len(labels) > 4 else 0)
    axes.set_yticks(places, labels)
    axes.set(xlabel="answer", ylabel="truth", title=title)
    figure.colorbar(image, ax=axes, label="% of the true class", shrink=0.8)
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=120)
    write_atomically(path, picture.getvalue())


def write_report(folder, name, labels, texts, truth, scores, title=""):
    """Writes the files of a measured set.

    They are `report_NAME.json`, `confusion_NAME.png` and `errors_NAME.jsonl`.

    Args:
        folder: path.
        name: str, of the set.
        labels: list of str.
        texts: list of str.
        truth: int array `(B,)`.
        scores: float array `(B, C)`, probabilities.
        title: str, of the picture.

    Returns:
        the report.
    """
    folder = Path(folder)
    report = classification_report(labels, truth, scores)
    write_atomically(
        folder / f"report_{name}.json",
        json.dumps(report, indent=1, ensure_ascii=False) + "\n",
    )
    plot_confusion(report, folder / f"confusion_{name}.png", title)
    errors = error_examples(texts, labels, truth, scores)
    lines = [json.dumps(error, ensure_ascii=False) for error in errors]
    write_atomically(
        folder / f"errors_{name}.jsonl",
        "".join(line + "\n" for line in lines),
    )
    return report
