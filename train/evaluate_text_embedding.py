"""Measures what the vectors of a file of text embeddings are good for.

    python train/evaluate_text_embedding.py --preset text-embedding \
        --data $KERAS_SELFATTN_DATA/classification --set mrpc:test

The encoder is not trained. Each `--set CORPUS:SPLIT` is the split of a labelled
table CORPUS.tsv, CORPUS.tsv.xz, CORPUS.csv or CORPUS.jsonl. Of pairs of texts
(two labels, the second of which says "the same") a pair counts as the same
where the cosine of its vectors is above the threshold that is best on the
table's split "train"; told are accuracy and the F1 of "the same". Of single
texts each gets the label of most of its five nearest texts of "train", a near
one counting more; told are accuracy and the mean F1 of the labels.

`--compare keras` tells the least cosine between the file's vector of a measured
text and that of the preset's weights in Keras. `--update-metrics` enters the
figures, with the file's sha256 and this command, into the preset's
metrics.json.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from evaluate_text_classification import find_table
from evaluation import (
    MODEL,
    FileOption,
    LimitOption,
    PresetOption,
    SetOptions,
    UpdateOption,
    command_line,
    measure_all,
    show,
    user_errors,
    wide_console,
)
from preset_metrics import (
    EvaluationError,
    check_update,
    find_source,
    keras_task,
    parse_set,
    update_metrics,
)

from keras_selfattn.data.text_tables import read_texts
from keras_selfattn.runtime import MaskFiller
from keras_selfattn.runtime.preset_folder import sha256
from keras_selfattn.training.classification_report import (
    classification_report,
)

SCRIPT = "train/evaluate_text_embedding.py"
DATA = "$KERAS_SELFATTN_DATA/classification"
NEIGHBOURS = 5


def best_threshold(cosines, same):
    """The cosine above which most pairs are the same, most below are not.

    Args:
        cosines: float array `(B,)`.
        same: bool array `(B,)`.
    """
    order = np.argsort(cosines)
    ranked, truth = cosines[order], same[order]
    # Cut behind i pairs: those before are not the same, those behind are.
    gained = np.concatenate([[0], np.cumsum(np.where(truth, -1, 1))])
    edges = np.concatenate([[-1.0], ranked, [1.0]])
    places = (edges[:-1] + edges[1:]) / 2
    return float(places[gained.argmax()])


def measure(vectors, known, examples):
    """Figures of a set: dict.

    Args:
        vectors: dict of each text to its float `(D,)`, of length 1.
        known: list of TextExample, of the split "train".
        examples: list of TextExample, to be measured.

    Raises:
        EvaluationError: no "train", or labels that it lacks.
    """
    labels = sorted({example.label for example in known})
    lacking = {example.label for example in examples} - set(labels)
    if not known or not examples or lacking:
        raise EvaluationError(
            f"The table's split 'train' has the labels {labels}, what is "
            f"measured {sorted(lacking) or 'the same'} in {len(examples)} "
            "examples; expected a set, and its labels in 'train'."
        )
    truth = np.array([labels.index(e.label) for e in examples])
    pairs = isinstance(examples[0].text, tuple)
    if pairs:
        scores, threshold = same_by_cosine(vectors, labels, known, examples)
    else:
        scores = labels_nearby(vectors, labels, known, examples)
    report = classification_report(labels, truth, scores)
    of = report["classes"][labels[1]] if pairs else report["macro"]
    found = {
        "examples": len(examples),
        "by": "cosine" if pairs else f"{NEIGHBOURS} neighbours",
        "accuracy": round(report["accuracy"], 6),
        "f1": round(of["f1"], 6),
    }
    return found | ({"threshold": round(threshold, 4)} if pairs else {})


def same_by_cosine(vectors, labels, known, examples):
    """Scores `(B, 2)` of pairs, and the threshold."""
    if len(labels) != 2:
        raise EvaluationError(f"Pairs need two labels; received {labels}.")

    def cosines(pairs):
        first, second = zip(*(e.text for e in pairs), strict=True)
        first, second = (
            np.stack([vectors[text] for text in side])
            for side in (first, second)
        )
        return np.sum(first * second, axis=1)

    same = np.array([e.label == labels[1] for e in known])
    threshold = best_threshold(cosines(known), same)
    above = cosines(examples) > threshold
    return np.stack([~above, above], 1).astype("float64"), threshold


def labels_nearby(vectors, labels, known, examples):
    """Scores `(B, C)` of texts, from the labels of those that are near."""
    from sklearn.neighbors import KNeighborsClassifier

    near = KNeighborsClassifier(
        NEIGHBOURS, metric="cosine", weights=lambda apart: 2.0 - apart
    )
    near.fit(
        np.stack([vectors[e.text] for e in known]),
        [labels.index(e.label) for e in known],
    )
    return near.predict_proba(np.stack([vectors[e.text] for e in examples]))


def texts_of(examples):
    """All texts of examples, each once."""
    found = {}
    for example in examples:
        pair = isinstance(example.text, tuple)
        found |= dict.fromkeys(example.text if pair else [example.text])
    return list(found)


def main(
    data: Annotated[Path, typer.Option(help="Folder of the tables.")],
    sets: SetOptions,
    preset: PresetOption = "text-embedding",
    file: FileOption = MODEL,
    limit: LimitOption = None,
    compare: Annotated[str, typer.Option(help="keras")] = "",
    update: UpdateOption = False,
) -> None:
    """Prints how far the vectors of a preset's file sort texts."""
    with user_errors():
        source = find_source(preset, file)
        check_update(update, limit, source)
        if compare not in ("", "keras"):
            raise EvaluationError(f"--compare {compare}: expected keras.")
        task = keras_task(source) if compare else None
        model = MaskFiller(source.file)
        parts, texts = {}, {}
        for named in sets:
            corpus, split = parse_set(named)
            table = find_table(data, corpus)
            known = read_texts(table, "train")
            parts[named] = known, read_texts(table, split)[:limit]
            texts[named] = texts_of([*known, *parts[named][1]])

        def measured(named, texts, advance):
            vectors = {}
            for text in texts:
                vectors[text] = model.embed(text)
                advance()
            found = measure(vectors, *parts[named])
            if task is not None:
                some = texts_of(parts[named][1])
                mine = np.stack([vectors[text] for text in some])
                cosines = np.sum(task.embed(some) * mine, axis=1)
                found["least_cosine"] = round(float(cosines.min()), 4)
            return found

        results = measure_all(texts, measured)
        show(
            results,
            f"{preset}: {file}",
            {
                "examples": lambda r: f"{r['examples']:,}",
                "by": lambda r: r["by"],
                "accuracy %": lambda r: f"{100 * r['accuracy']:.1f}",
                "F1 %": lambda r: f"{100 * r['f1']:.1f}",
                "threshold": lambda r: (
                    f"{r['threshold']:.3f}" if "threshold" in r else None
                ),
                "least cosine to Keras": lambda r: (
                    f"{r['least_cosine']:.4f}" if "least_cosine" in r else None
                ),
            },
            wide_console(),
        )
        if update:
            command = command_line(SCRIPT, DATA, preset, sets, file)
            command += f" --compare {compare}" if compare else ""
            entries = [
                {
                    "dataset": parse_set(named)[0],
                    "split": parse_set(named)[1],
                    **found,
                    "file": file,
                    "file_sha256": sha256(source.file),
                    "command": command,
                }
                for named, found in results.items()
            ]
            typer.echo(f"wrote {update_metrics(source.folder, entries)}")


if __name__ == "__main__":
    typer.run(main)
