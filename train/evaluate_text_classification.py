"""Measures a text classification preset, as a device runs it.

    python train/evaluate_text_classification.py --preset text-classification \
        --data $KERAS_SELFATTN_DATA/classification --set sst2:test

The `.tflite` is run by `keras_selfattn.runtime` (LiteRT, one thread), as
`keras-selfattn classify` does. Each `--set CORPUS:SPLIT` is the split of a
table CORPUS.tsv, CORPUS.tsv.xz, CORPUS.csv or CORPUS.jsonl in the folder. How
many of a set's texts also stand in the table's split "train" is told beside
the accuracy, and the accuracy on the others.

`--update-metrics` enters the figures, with the sha256 of the file and this
command, into the preset's metrics.json, from which `train/report.py` writes
the tables. `--compare OTHER` runs OTHER (a preset or .tflite, or `keras`: the
preset's own weights in Keras on the backend of KERAS_BACKEND) on the same
texts and counts the labels that are equal. `--reports FOLDER` keeps the whole
report: JSON, confusions as PNG, the surest errors.
"""

import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
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
from keras_selfattn.runtime import Classifier
from keras_selfattn.runtime.preset_folder import sha256
from keras_selfattn.training.classification_report import (
    classification_report,
    write_report,
)

SUFFIXES = (".tsv", ".tsv.xz", ".csv", ".jsonl")
SCRIPT = "train/evaluate_text_classification.py"
DATA = "$KERAS_SELFATTN_DATA/classification"


def find_table(data: Path, corpus: str) -> Path:
    """The table of a corpus in the data folder."""
    for suffix in SUFFIXES:
        path = data / f"{corpus}{suffix}"
        if path.is_file():
            return path
    raise EvaluationError(
        f"{data} holds no table {corpus}{{{','.join(SUFFIXES)}}}."
    )


def read_set(data: Path, named: str, limit: int | None) -> list:
    """The first `limit` examples of a CORPUS:SPLIT."""
    corpus, split = parse_set(named)
    return read_texts(find_table(data, corpus), split)[:limit]


def seen_in_train(data: Path, named: str, examples: list) -> np.ndarray:
    """Which examples' texts also stand in the table's split "train"."""
    corpus, split = parse_set(named)
    everything = read_texts(find_table(data, corpus))
    known = {
        example.text
        for example in everything
        if example.split == "train" and split != "train"
    }
    return np.array([example.text in known for example in examples], bool)


def measure(classifier, examples, seen, other=None, advance=None) -> dict:
    """Classifies every example.

    Args:
        classifier: has `labels` and `classify(text)` that gives label and
            scores of all (a `runtime.Classifier`).
        examples: list of `TextExample`.
        seen: bool array, which of them stand in the training texts.
        other: None, or a function of a list of texts that gives the labels to
            compare.
        advance: None, or a function called after each example.

    Returns:
        dict of the report's figures, "scores" and "truth", the milliseconds a
        text, and the accuracy on texts that are not in the training split.

    Raises:
        EvaluationError: an example has a label that the preset lacks.
    """
    labels = list(classifier.labels)
    unknown = {example.label for example in examples} - set(labels)
    if unknown:
        raise EvaluationError(
            f"The set has labels {sorted(unknown)}, the preset knows {labels}."
        )
    truth = np.array([labels.index(example.label) for example in examples])
    scores = np.zeros((len(examples), len(labels)))
    answers, spent = [], 0.0
    for i, example in enumerate(examples):
        start = time.perf_counter()
        found = classifier.classify(example.text)
        spent += time.perf_counter() - start
        scores[i] = [found.scores[label] for label in labels]
        answers.append(found.label)
        if advance is not None:
            advance()
    right = scores.argmax(-1) == truth
    result = {
        **classification_report(labels, truth, scores),
        "seen": int(seen.sum()),
        "unseen_accuracy": float(right[~seen].mean()) if any(~seen) else None,
        "milliseconds": 1000 * spent / len(examples),
        "scores": scores,
        "truth": truth,
    }
    if other is not None:
        theirs = other([example.text for example in examples])
        pairs = enumerate(zip(answers, theirs, strict=True))
        result["unequal"] = [i for i, (ours, their) in pairs if ours != their]
        result["equal"] = len(examples) - len(result["unequal"])
    return result


def labels_of(other: str, source):
    """The function of a list of texts whose labels are to be compared."""
    if other == "keras":
        task = keras_task(source)
        return lambda texts: [found.label for found in task.classify(texts)]
    classifier = Classifier(find_source(other).file, num_threads=1)
    return lambda texts: [classifier.classify(text).label for text in texts]


def metrics_entry(
    named: str, result: dict, file: Path, sha: str, command: str
) -> dict:
    """Returns what metrics.json keeps of one measured set."""
    corpus, split = parse_set(named)
    entry = {
        "dataset": corpus,
        "split": split,
        "examples": result["examples"],
        "accuracy": round(result["accuracy"], 6),
        "macro_f1": round(result["macro"]["f1"], 6),
        "seen_in_train": result["seen"],
        "unseen_accuracy": round(result["unseen_accuracy"], 6),
        "file": file.name,
        "file_sha256": sha,
        "command": command,
    }
    if "equal" in result:
        entry["labels_equal_to_keras"] = result["equal"]
    return entry


def unseen_accuracy(result: dict) -> str:
    """The cell of the texts that are not in the training split."""
    others = result["unseen_accuracy"]
    return "" if others is None else f"{100 * others:.2f}"


def equal(result: dict) -> str | None:
    """The cell of the table that tells what `--compare` found."""
    if "equal" in result:
        return f"{result['equal']}/{result['examples']}"
    return None


COLUMNS = {
    "texts": lambda result: f"{result['examples']:,}",
    "accuracy %": lambda result: f"{100 * result['accuracy']:.2f}",
    "macro F1 %": lambda result: f"{100 * result['macro']['f1']:.2f}",
    "also in train": lambda result: f"{result['seen']:,}",
    "accuracy of the others %": unseen_accuracy,
    "ms a text": lambda result: f"{result['milliseconds']:.2f}",
    "equal labels": equal,
}


def main(
    sets: SetOptions,
    data: Annotated[Path, typer.Option(help="Folder of tables.")],
    preset: PresetOption = "text-classification",
    file: FileOption = MODEL,
    compare: Annotated[
        str | None,
        typer.Option(help="Preset, .tflite or `keras` to compare labels with."),
    ] = None,
    limit: LimitOption = None,
    reports: Annotated[
        Path | None, typer.Option(help="Keep the whole reports here.")
    ] = None,
    update: UpdateOption = False,
) -> None:
    """Prints accuracy, F1 and speed of a preset on CORPUS:SPLIT sets."""
    console = wide_console()
    with user_errors():
        source = find_source(preset, file)
        check_update(update, limit, source)
        examples = {named: read_set(data, named, limit) for named in sets}
        seen = {
            named: seen_in_train(data, named, found)
            for named, found in examples.items()
        }
        classifier = Classifier(source.file, num_threads=1)
        other = labels_of(compare, source) if compare else None
        results = measure_all(
            examples,
            lambda named, found, advance: measure(
                classifier, found, seen[named], other, advance
            ),
        )
    sha = sha256(source.file)
    show(results, f"{source.file.name}, sha256 {sha[:12]}", COLUMNS, console)
    if reports:
        reports.mkdir(parents=True, exist_ok=True)
        for named, result in results.items():
            write_report(
                reports,
                named.replace(":", "_"),
                list(classifier.labels),
                [example.text for example in examples[named]],
                result["truth"],
                result["scores"],
                named,
            )
    if update:
        command = command_line(SCRIPT, DATA, preset, sets, file)
        entries = [
            metrics_entry(named, result, source.file, sha, command)
            for named, result in results.items()
        ]
        typer.echo(f"wrote {update_metrics(source.folder, entries)}", err=True)


if __name__ == "__main__":
    typer.run(main)
