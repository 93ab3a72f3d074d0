"""Readers of labelled texts: a table on disk to a list of `TextExample`."""

import csv
import lzma
from dataclasses import dataclass
from pathlib import Path

_COLUMNS = ("split", "label", "text")


@dataclass(frozen=True, slots=True)
class TextExample:
    """One text and its class.

    Args:
        text: str. The text as the corpus gives it.
        label: str. The name of its class.
        split: str. Name of the part it belongs to.
    """

    text: str
    label: str
    split: str


def read_labelled_texts(path, splits=None):
    """Reads a table of texts with their classes.

    Tab-separated without quoting, first row `split label text` (more columns
    may follow), UTF-8, plain or compressed with xz (`.xz`).

    Args:
        path: str or path of the table.
        splits: str, or list of str, or None for all. Splits to keep.

    Returns:
        list of `TextExample`, in the table's order.

    Raises:
        ValueError: no such file, not UTF-8, a column missing, a malformed
            row, an unknown split (the known ones are listed).

    Example:
    ```python
    train = read_labelled_texts("classification/imdb.tsv.xz", "train")
    ```
    """
    path = Path(path)
    try:
        rows = list(_rows(path))
    except FileNotFoundError:
        raise ValueError(
            f"{path} is missing; expected a tab-separated table with the "
            f"columns {', '.join(_COLUMNS)}."
        ) from None
    except (UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read as UTF-8 text ({error}); expected a table "
            "in UTF-8, plain or as .xz."
        ) from None
    known = list(dict.fromkeys(example.split for example in rows))
    if splits is None:
        return rows
    wanted = {splits} if isinstance(splits, str) else set(splits)
    if unknown := sorted(wanted - set(known)):
        raise ValueError(
            f"{path} has no split {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(map(repr, known))}."
        )
    return [example for example in rows if example.split in wanted]


def _rows(path):
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "rt", encoding="utf8", newline="") as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(reader, [])
        missing = [column for column in _COLUMNS if column not in header]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(missing)}; its first row "
                f"is {header}, expected at least {list(_COLUMNS)}."
            )
        places = [header.index(column) for column in _COLUMNS]
        for cells in reader:
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, "
                    f"expected {len(header)}."
                )
            split, label, text = (cells[place] for place in places)
            yield TextExample(text, label, split)
