"""Tables of texts and answers, each with the name of its task."""

import csv
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from keras_selfattn.data.parallel_corpora import open_text

SOURCES = ("source", "src", "text", "sentence")
TARGETS = ("target", "tgt", "label", "class")


@dataclass(frozen=True, slots=True)
class TextPair:
    """What a model reads, and what it is to write.

    Args:
        source: str, with the task's prefix.
        target: str.
    """

    source: str
    target: str


def read_tasks(entries, words=()):
    """Tasks of tables as a command line names them.

    A table is tab-separated without quoting, UTF-8, plain or `.xz`; its first
    row names the columns, of which one is of `SOURCES`, one of `TARGETS`, and
    one "split". A source begins with its task: "NAME: text". A table may have
    a column "task" in place of one name.

    Args:
        entries: list of str, `NAME=TABLE:SPLIT`, or `TABLE:SPLIT` of a table
            with a column "task".
        words: list of str, `NAME:LABEL=WORD,LABEL=WORD`: what is written for
            a label.

    Returns:
        dict of a task's name to its list of `TextPair`.

    Raises:
        ValueError: an entry of another form, no such file, column or split, a
            label without a word, words of no task.

    Example:
    ```python
    tasks = read_tasks(
        ["sst2 sentence=sst2.tsv.xz:train"],
        ["sst2 sentence:pos=positive,neg=negative"],
    )
    ```
    """
    written, found = _words(words), {}
    for entry in entries:
        name, _, table = entry.rpartition("=")
        path, _, split = table.rpartition(":")
        if not path or not split:
            raise ValueError(
                f"{entry!r}: expected NAME=TABLE:SPLIT, or TABLE:SPLIT of a "
                "table with a column task."
            )
        for task, source, target in _rows(path, split, name):
            labels = written.get(task, {target: target})
            if target not in labels:
                raise ValueError(
                    f"{path} has the label {target!r}; --words {task}:... "
                    f"names {', '.join(labels)}."
                )
            pair = TextPair(f"{task}: {source}", labels[target])
            found.setdefault(task, []).append(pair)
    if unknown := sorted(set(written) - set(found)):
        raise ValueError(
            f"There are words of {', '.join(unknown)}; the tasks are "
            f"{', '.join(found)}."
        )
    return found


def _words(entries):
    found = {}
    for entry in entries:
        name, _, pairs = entry.partition(":")
        pairs = [pair.partition("=")[::2] for pair in pairs.split(",")]
        if not name or not all(label and word for label, word in pairs):
            raise ValueError(f"{entry!r}: expected NAME:LABEL=WORD,LABEL=WORD.")
        found[name] = dict(pairs)
    return found


def _rows(path, split, name):
    """Task, source and target of each row of a split."""
    splits = Counter()
    with open_text(Path(path)) as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(reader, [])
        places = [
            next((header.index(c) for c in names if c in header), None)
            for names in (("split",), SOURCES, TARGETS, ("task",))
        ]
        if None in places[:3] or (not name and places[3] is None):
            raise ValueError(
                f"{path} has the columns {header}; expected split, one of "
                f"{SOURCES}, one of {TARGETS}, and task where no NAME= "
                "stands before the table."
            )
        rows = []
        for cells in reader:
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, "
                    f"expected {len(header)}."
                )
            splits[cells[places[0]]] += 1
            if cells[places[0]] == split:
                task = name or cells[places[3]]
                rows.append((task, cells[places[1]], cells[places[2]]))
    if not rows:
        raise ValueError(
            f"{path} has no split {split!r}; it has "
            f"{', '.join(map(repr, splits))}."
        )
    return rows
