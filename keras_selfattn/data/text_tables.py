"""Labelled texts as users have them: tables, lines of JSON, folders.

The readers give a list of `TextExample`; which one is meant shows in the path.
"""

import csv
import json
import lzma
from dataclasses import dataclass
from pathlib import Path

DELIMITERS = {".tsv": "\t", ".csv": ","}
AG_NEWS = ("World", "Sports", "Business", "Sci/Tech")
_LABEL_COLUMNS = ("label", "class", "category", "sentiment")
_TEXT_COLUMNS = ("text", "sentence", "content", "review", "sentence1")
_PAIR_COLUMNS = ("text2", "sentence2")


@dataclass(frozen=True, slots=True)
class TextExample:
    """One text and its class.

    Args:
        text: str, the text as the corpus gives it; or a tuple of two.
        label: str. The name of its class.
        split: str. Name of the part it belongs to; empty where none is named.
    """

    text: str | tuple
    label: str
    split: str


def read_texts(
    path, split=None, text_column="", label_column="", pair_column=""
):
    """Reads labelled texts from a table, lines of JSON or a folder.

    - `.tsv`, `.csv`, `.jsonl` (also as `.xz`), UTF-8, with named columns. A
      TSV is read without quoting, as GLUE's (SST-2) and ours are; a CSV with
      it. A CSV whose first row has no such names is read as AG News:
      class 1-4, title, description.
    - A folder: one folder a class with a text file an example (IMDB's
      `train/pos`, `train/neg`; `unsup` is left out). With a split, its
      folder or its file (`train.tsv`, `train.csv`, `train.jsonl`).

    Args:
        path: str or path.
        split: str; of a table with a column "split" the rows that have it,
            of a folder the part so named. None: everything.
        text_column: str; default: the first there is of "text", "sentence",
            "content", "review", "sentence1".
        label_column: str; default: of "label", "class", "category",
            "sentiment".
        pair_column: str, of a second text; default: "text2" or "sentence2",
            where there is one.

    Returns:
        list of `TextExample`, in the file's order.

    Raises:
        ValueError: nothing there, a column missing (those there are listed),
            not UTF-8, a malformed row, no row of the split.

    Example:
    ```python
    examples = read_texts("reviews.csv", label_column="stars")
    ```
    """
    path = Path(path)
    if path.is_dir():
        return _read_folder(path, split, text_column, label_column, pair_column)
    if not path.is_file():
        raise ValueError(
            f"{path} is missing; expected a .tsv, .csv or .jsonl file (or "
            "such a file as .xz), or a folder with a folder for each class."
        )
    try:
        rows = list(_rows(path))
    except (UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read as UTF-8 text ({error}); save it as UTF-8."
        ) from None
    except csv.Error as error:
        raise ValueError(f"{path} is malformed: {error}.") from None
    if not rows:
        raise ValueError(f"{path} has no row.")
    columns = list(rows[0][1])
    text = _column(path, columns, text_column, _TEXT_COLUMNS, "text")
    label = _column(path, columns, label_column, _LABEL_COLUMNS, "label")
    texts = [text]
    if pair_column or set(_PAIR_COLUMNS) & set(columns):
        texts.append(_column(path, columns, pair_column, _PAIR_COLUMNS, "pair"))
    examples = []
    for line, row in rows:
        names = (*texts, label)
        lacking = [repr(name) for name in names if row.get(name) is None]
        if lacking:
            raise ValueError(
                f"{path}, line {line}: no {' and no '.join(lacking)} in this "
                "row; complete it or leave it out."
            )
        part = str(row.get("split") or "")
        found = tuple(str(row[name]) for name in texts)
        found = found if len(found) > 1 else found[0]
        examples.append(TextExample(found, str(row[label]), part))
    if split is None:
        return examples
    kept = [example for example in examples if example.split == split]
    if not kept:
        known = sorted({example.split for example in examples} - {""})
        raise ValueError(
            f"{path} has no row of split {split!r}; it has "
            f"{', '.join(known) or 'no column split: leave the split out'}."
        )
    return kept


def _rows(path):
    """Yields the line number and a dict of each row."""
    kind = Path(path.stem).suffix if path.suffix == ".xz" else path.suffix
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
        if kind in (".jsonl", ".json"):
            yield from _json_rows(path, file)
            return
        if kind not in DELIMITERS:
            raise ValueError(
                f"{path}: expected a name that ends in .tsv, .csv or .jsonl "
                "(or one of them and .xz)."
            )
        quoting = csv.QUOTE_MINIMAL if kind == ".csv" else csv.QUOTE_NONE
        reader = csv.reader(
            file, delimiter=DELIMITERS[kind], quoting=quoting, strict=True
        )
        header = next(reader, [])
        if len(header) == 3 and header[0].strip() in ("1", "2", "3", "4"):
            yield 1, _ag_news(path, 1, header)
            for cells in reader:
                yield reader.line_num, _ag_news(path, reader.line_num, cells)
            return
        for cells in reader:
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, "
                    f"expected {len(header)} ({', '.join(header)})."
                )
            yield reader.line_num, dict(zip(header, cells))


def _ag_news(path, line, cells):
    number = cells[0].strip() if len(cells) == 3 else ""
    if number not in ("1", "2", "3", "4"):
        raise ValueError(
            f"{path}, line {line}: expected class 1-4, title, description as "
            f"in AG News, received {len(cells)} columns: {cells[:1]}. If the "
            "file is another table, give it a first row of column names."
        )
    return {
        "label": AG_NEWS[int(number) - 1],
        "text": f"{cells[1]} {cells[2]}",
    }


def _json_rows(path, file):
    for number, line in enumerate(file, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{path}, line {number}: not JSON ({error}); expected one "
                "object a line."
            ) from None
        if not isinstance(row, dict):
            raise ValueError(
                f"{path}, line {number}: a {type(row).__name__}; expected an "
                'object such as {"text": "...", "label": "..."}.'
            )
        yield number, row


def _column(path, columns, asked, usual, what):
    if asked and asked in columns:
        return asked
    found = [name for name in usual if name in columns]
    if not asked and found:
        return found[0]
    sought = repr(asked) if asked else f"called {', '.join(usual)}"
    raise ValueError(
        f"{path} has no {what} column {sought}; it has "
        f"{', '.join(map(repr, columns))}. Name one with "
        f"--{what}-column."
    )


def _read_folder(path, split, *columns):
    if split is not None:
        for suffix in (".tsv", ".csv", ".jsonl"):
            file = path / f"{split}{suffix}"
            if file.is_file():
                found = read_texts(file, None, *columns)
                return [TextExample(e.text, e.label, split) for e in found]
        if not (path / split).is_dir():
            raise ValueError(
                f"{path} has neither a folder {split} nor {split}.tsv, "
                f"{split}.csv or {split}.jsonl."
            )
        path = path / split
    examples = []
    for folder in sorted(path.iterdir()):
        if not folder.is_dir() or folder.name == "unsup":
            continue
        for file in sorted(folder.glob("*.txt")):
            try:
                text = file.read_text("utf-8")
            except UnicodeDecodeError as error:
                raise ValueError(
                    f"{file} is not UTF-8 ({error}); save it as UTF-8."
                ) from None
            examples.append(TextExample(text, folder.name, split or ""))
    if not examples:
        raise ValueError(
            f"{path} has no folders with .txt files; expected one folder for "
            "each class (such as pos and neg), or a split after a colon."
        )
    return examples


def split_by_class(examples, parts, seed=0):
    """Shares examples out among parts so that each has its part of a class.

    Args:
        examples: list of `TextExample`.
        parts: int >= 2.
        seed: int.

    Returns:
        int array `(N,)`, the part of each example.

    Raises:
        ValueError: a class has fewer examples than there are parts.
    """
    import numpy as np

    generator = np.random.default_rng(seed)
    labels = np.array([example.label for example in examples], dtype=object)
    part = np.zeros(len(examples), "int32")
    offset = 0
    for label in sorted(set(labels.tolist())):
        members = generator.permutation(np.flatnonzero(labels == label))
        if len(members) < parts:
            raise ValueError(
                f"Class {label!r} has {len(members)} examples, fewer than the "
                f"{parts} parts each class is shared among; use fewer parts, "
                "or leave the class out."
            )
        part[members] = (offset + np.arange(len(members))) % parts
        offset += len(members)
    return part
