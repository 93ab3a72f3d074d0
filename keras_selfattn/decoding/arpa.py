r"""ARPA files: n-gram models as text, as KenLM and SRILM write them.

\data\                    how many n-grams of each order follow
ngram 1=3
\1-grams:
-0.5<tab>dog<tab>-0.3      log10 p, words, log10 of the back-off weight
\end\
"""

import math

import numpy as np

from keras_selfattn.decoding.ngram_model import (
    END,
    NEVER,
    START,
    UNKNOWN,
    NgramError,
    NgramLevel,
    NgramModel,
    WordList,
    level_rows,
)

_LN10 = math.log(10.0)


def read(lines, source="ARPA"):
    """The model that ARPA text holds.

    Args:
        lines: iterable of str, such as an open file.
        source: str, what messages call it.

    Returns:
        NgramModel. Where there is no `<unk>`, unknown words never occur.

    Raises:
        NgramError: not ARPA text; it names the line.
    """
    tables, counts, order, ended = [], {}, None, False
    at = 0
    try:
        for at, line in enumerate(lines, 1):  # noqa: B007
            line = line.strip()
            if not line or line == "\\data\\":
                continue
            if line == "\\end\\":
                ended = True
                break
            if line.startswith("ngram ") and order is None:
                name, count = line[6:].split("=")
                counts[int(name)] = int(count)
            elif line.startswith("\\") and line.endswith("-grams:"):
                order = int(line[1:-7])
                if order != len(tables) + 1 or order not in counts:
                    raise ValueError("orders do not follow one another")
                tables.append({})
            elif order is not None:
                words, entry = _entry(line, order)
                tables[-1][words] = entry
            elif counts:
                raise ValueError("expected `\\1-grams:`")
        if not ended or not tables:
            raise ValueError("it ends before `\\end\\`")
        for size, table in enumerate(tables, 1):
            if len(table) != counts[size]:
                raise ValueError(
                    f"{len(table)} different {size}-grams, {counts[size]} "
                    "announced"
                )
        return _model(tables)
    except ValueError as error:
        raise NgramError(
            f"{source} is no ARPA language model; line {at}: {error}."
        ) from None


def _entry(line, order):
    parts = line.split()
    if len(parts) not in (order + 1, order + 2):
        raise ValueError(f"expected a number and {order} words: {line!r}")
    backoff = float(parts[-1]) * _LN10 if len(parts) == order + 2 else 0.0
    words = tuple(parts[1 : order + 1])
    if words[-1] == "<UNK>":
        words = (*words[:-1], UNKNOWN)
    return words, (float(parts[0]) * _LN10, backoff)


def _model(tables):
    for mark in (START, END, UNKNOWN):
        tables[0].setdefault((mark,), (NEVER, 0.0))
    words = sorted((word for (word,) in tables[0]), key=str.encode)
    ids = {word: number for number, word in enumerate(words)}
    places = {(): 0}
    levels, counts = [], []
    for size, table in enumerate(tables, 1):
        try:
            keys = sorted(
                (places[gram[:-1]], ids[gram[-1]], gram) for gram in table
            )
        except KeyError as error:
            raise ValueError(
                f"a {size}-gram goes on from {error}, which is not there"
            ) from None
        values = np.array([table[gram] for _, _, gram in keys]).reshape(-1, 2)
        counts.append([place for place, _, _ in keys])
        levels.append((keys, values))
        places = {gram: place for place, (_, _, gram) in enumerate(keys)}
    built = []
    for size, (keys, values) in enumerate(levels):
        first_children = backoffs = None
        if size + 1 < len(levels):
            number = np.bincount(
                np.array(counts[size + 1], "int64"), minlength=len(keys)
            )
            first_children = np.append(0, np.cumsum(number)).astype("uint32")
            backoffs = values[:, 1].astype("float32")
        numbers = np.array([word for _, word, _ in keys], "uint32")
        built.append(
            NgramLevel(
                words=numbers if size else None,
                log_probs=values[:, 0].astype("float32"),
                backoffs=backoffs,
                first_children=first_children,
            )
        )
    return NgramModel(WordList.of(words), built)


def write(model, file):
    """Writes a model as ARPA text.

    Args:
        model: NgramModel.
        file: open for text.
    """
    words = [model.words[number] for number in range(len(model.words))]
    file.write("\\data\\\n")
    for size, level in enumerate(model.levels, 1):
        file.write(f"ngram {size}={len(level.log_probs)}\n")
    for size, level in enumerate(model.levels, 1):
        file.write(f"\n\\{size}-grams:\n")
        logs = np.asarray(level.all_log_probs(), "float64") / _LN10
        backoffs = np.asarray(level.all_backoffs(), "float64") / _LN10
        rows = level_rows(model.levels, size).tolist()
        for row, log, backoff in zip(rows, logs.tolist(), backoffs.tolist()):
            gram = " ".join([words[number] for number in row])
            end = f"\t{backoff:.6f}" if size < model.order else ""
            file.write(f"{log:.6f}\t{gram}{end}\n")
    file.write("\n\\end\\\n")
