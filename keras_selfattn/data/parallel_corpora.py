"""Readers of parallel corpora: tables or pairs of files, to sentence pairs.

Layouts: a table `split src tgt` (Tatoeba, Multi30k as one file), and two text
files, line for line (WMT, IWSLT, Multi30k as it is published).
"""

import contextlib
import csv
import lzma
import sys
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from keras_selfattn.preprocessing.translation_text import normalize_text

_COLUMNS = ("split", "src", "tgt")


@dataclass(frozen=True, slots=True)
class ParallelExample:
    """A sentence and its translation.

    Args:
        source: str.
        target: str.
        split: str. Name of the part it belongs to.
    """

    source: str
    target: str
    split: str

    def swapped(self):
        """The same pair in the other direction."""
        return ParallelExample(self.target, self.source, self.split)


def read_parallel_table(path, splits=None):
    """Reads a table of sentence pairs.

    Tab-separated without quoting, first row `split src tgt` (more columns
    may follow), UTF-8, plain or compressed with xz (`.xz`).

    Args:
        path: str or path of the table.
        splits: str, or list of str, or None for all. Splits to keep.

    Returns:
        list of `ParallelExample`, in the table's order.

    Raises:
        ValueError: no such file, not UTF-8, a column missing, a malformed
            row, an unknown split (the known ones are listed).

    Example:
    ```python
    train = read_parallel_table("translation/tatoeba_en-de.tsv.xz", "train")
    ```
    """
    path = Path(path)
    with open_text(path) as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        header = next(reader, [])
        missing = [column for column in _COLUMNS if column not in header]
        if missing:
            raise ValueError(
                f"{path} has no column {', '.join(missing)}; its first row "
                f"is {header}, expected at least {list(_COLUMNS)}."
            )
        places = [header.index(column) for column in _COLUMNS]
        examples = []
        for cells in reader:
            if len(cells) != len(header):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(cells)} columns, "
                    f"expected {len(header)}."
                )
            split, source, target = (cells[place] for place in places)
            examples.append(ParallelExample(source, target, split))
    if splits is None:
        return examples
    wanted = {splits} if isinstance(splits, str) else set(splits)
    known = list(dict.fromkeys(example.split for example in examples))
    if unknown := sorted(wanted - set(known)):
        raise ValueError(
            f"{path} has no split {', '.join(map(repr, unknown))}; it has "
            f"{', '.join(map(repr, known))}."
        )
    return [example for example in examples if example.split in wanted]


def read_parallel_files(source_path, target_path, split="train"):
    """Reads two text files whose lines belong together.

    Args:
        source_path: str or path, UTF-8, plain or `.xz`.
        target_path: str or path, as many lines.
        split: str. What the pairs are called.

    Returns:
        list of `ParallelExample`.

    Raises:
        ValueError: no such file, not UTF-8, different numbers of lines.

    Example:
    ```python
    train = read_parallel_files("iwslt/train.de", "iwslt/train.en")
    ```
    """
    lines = []
    for path in map(Path, (source_path, target_path)):
        with open_text(path) as file:
            lines.append([line.rstrip("\r\n") for line in file])
    sources, targets = lines
    if len(sources) != len(targets):
        raise ValueError(
            f"{source_path} has {len(sources)} lines and {target_path} has "
            f"{len(targets)}; line n of one must be the translation of line "
            "n of the other."
        )
    return [
        ParallelExample(source, target, split)
        for source, target in zip(sources, targets, strict=True)
    ]


def read_parallel(entries, swap=False):
    """Pairs of corpora as a command line names them.

    Args:
        entries: list of str, each TABLE:SPLIT (see `read_parallel_table`) or
            SOURCE,TARGET (see `read_parallel_files`).
        swap: bool, the other direction.

    Returns:
        list of `ParallelExample`.

    Raises:
        ValueError: an entry that is neither, or as the readers do.
    """
    found = []
    for entry in entries:
        if "," in entry:
            found += read_parallel_files(*entry.split(",", 1))
            continue
        table, _, split = entry.rpartition(":")
        if not table or not split:
            raise ValueError(
                f"{entry!r}: expected TABLE:SPLIT, or SOURCE,TARGET (two text "
                "files)."
            )
        found += read_parallel_table(table, split)
    return [pair.swapped() for pair in found] if swap else found


@contextlib.contextmanager
def open_text(path):
    """A text file, plain or xz; what cannot be read is a clear ValueError."""
    opened = lzma.open if path.suffix == ".xz" else open
    try:
        # Only "\n" ends a line: texts may hold U+2028 and the like.
        with opened(path, "rt", encoding="utf8", newline="\n") as file:
            yield file
    except FileNotFoundError:
        raise ValueError(f"{path} is missing.") from None
    except (UnicodeDecodeError, lzma.LZMAError, EOFError, csv.Error) as error:
        raise ValueError(
            f"{path} cannot be read as UTF-8 text ({error}); expected lines "
            "in UTF-8, plain or as .xz."
        ) from None


def clean_pairs(
    examples,
    max_characters=400,
    max_ratio=4.0,
    num_characters=len,
    progress=True,
):
    """Leaves out pairs that teach nothing or the wrong thing.

    Left out, in this order: a side without text; a side too long; a pair
    whose longer side (in characters, 10 granted to each) is `max_ratio`
    times the shorter; both sides the same (not translated); a pair that came
    before. The first of each pair stays, in order.

    Args:
        examples: iterable of `ParallelExample`.
        max_characters: int, of each side.
        max_ratio: float > 1.
        num_characters: callable, str -> number: how long a text counts. For
            Chinese, where a character says more, `weighted_length`.
        progress: bool, say on stderr how many were left out, and why.

    Returns:
        list of `ParallelExample`, their texts normalised.
    """
    if not max_ratio > 1:
        raise ValueError(f"max_ratio={max_ratio}; expected more than 1.")
    kept, seen, dropped = [], set(), Counter()
    for example in examples:
        pair = normalize_text(example.source), normalize_text(example.target)
        short, long = sorted(num_characters(text) for text in pair)
        if not all(pair):
            dropped["without text"] += 1
        elif max(map(len, pair)) > max_characters:
            dropped["too long"] += 1
        elif (long + 10) / (short + 10) > max_ratio:
            dropped["of too different lengths"] += 1
        elif pair[0] == pair[1]:
            dropped["not translated"] += 1
        elif pair in seen:
            dropped["twice"] += 1
        else:
            seen.add(pair)
            kept.append(ParallelExample(*pair, example.split))
    if dropped and progress:
        reasons = ", ".join(f"{n:,} {why}" for why, n in dropped.items())
        print(
            f"{len(kept):,} pairs kept; left out: {reasons}.", file=sys.stderr
        )
    return kept


def weighted_length(text):
    """Characters, where a Chinese one counts for three."""
    return len(text) + 2 * sum("\u3400" <= sign <= "\u9fff" for sign in text)


def split_folds(pairs, count):
    """Parts for cross-validation: each is held out once.

    A pair's source decides where it goes, so no source is in two parts.

    Args:
        pairs: list of `ParallelExample`.
        count: int >= 2, parts.

    Returns:
        list of (pairs of all other parts, pairs of the part).

    Raises:
        ValueError: for pairs too few.
    """
    folds = [[] for _ in range(count)]
    for pair in pairs:
        folds[zlib.crc32(pair.source.encode()) % count].append(pair)
    if count < 2 or not all(folds):
        raise ValueError(
            f"{len(pairs)} pairs cannot be parted into {count}: a part would "
            "be empty, or all of them; give another number, 2 or more."
        )
    return [
        ([p for other in folds if other is not held for p in other], held)
        for held in folds
    ]
