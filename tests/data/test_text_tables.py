import lzma

import numpy as np
import pytest

from keras_selfattn.data.text_tables import (
    TextExample,
    read_texts,
    split_by_class,
)


def pairs(examples):
    return [(example.text, example.label) for example in examples]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    "name, text",
    [
        ("t.tsv", 'label\ttext\nbad\tA "dull, film.\ngood\tFine\n'),
        ("t.csv", 'text,label\n"A ""dull, film.",bad\nFine,good\n'),
        (
            "t.jsonl",
            '{"label": "bad", "text": "A \\"dull, film."}\n\n'
            '{"label": "good", "text": "Fine"}\n',
        ),
        ("bom.csv", '\ufefflabel,text\nbad,"A ""dull, film."\ngood,Fine\n'),
        # SST-2 as GLUE has it; other names of columns.
        ("g.tsv", 'sentence\tlabel\nA "dull, film.\tbad\nFine\tgood\n'),
    ],
)
def test_reads_tables_of_every_kind(tmp_path, name, text):
    found = read_texts(write(tmp_path / name, text))
    assert pairs(found) == [('A "dull, film.', "bad"), ("Fine", "good")]


def test_reads_the_columns_that_are_asked_for(tmp_path):
    path = write(tmp_path / "t.csv", "id,stars,body,text\n1,5,yes,no\n")
    found = read_texts(path, None, "body", "stars")
    assert pairs(found) == [("yes", "5")]
    with pytest.raises(ValueError, match="no label column called label, .*'id"):
        read_texts(path, None, "body")
    with pytest.raises(ValueError, match="no text column 'title'.*--text-col"):
        read_texts(path, None, "title", "stars")


def test_reads_ag_news_without_a_first_row_of_names(tmp_path):
    path = write(
        tmp_path / "train.csv", '"3","Oil","Up, again."\n"1","a","b"\n'
    )
    expected = [("Oil Up, again.", "Business"), ("a b", "World")]
    assert pairs(read_texts(path)) == expected
    found = read_texts(tmp_path, "train")
    assert pairs(found) == expected and found[0].split == "train"
    write(path, '"3","Oil","Up"\n"7","a","b"\n')
    with pytest.raises(ValueError, match="line 2: expected class 1-4"):
        read_texts(path)


def test_reads_imdb_s_folders_and_leaves_out_what_has_no_label(tmp_path):
    write(tmp_path / "train/pos/0_9.txt", "Fine.")
    write(tmp_path / "train/neg/0_1.txt", "Dull.")
    write(tmp_path / "train/unsup/0_0.txt", "Who knows.")
    found = read_texts(tmp_path, "train")
    assert found == [
        TextExample("Dull.", "neg", "train"),
        TextExample("Fine.", "pos", "train"),
    ]
    assert pairs(read_texts(tmp_path / "train")) == pairs(found)
    with pytest.raises(ValueError, match="neither a folder test nor test.tsv"):
        read_texts(tmp_path, "test")


def test_a_column_split_chooses_rows_also_in_compressed_tables(tmp_path):
    path = tmp_path / "t.tsv.xz"
    with lzma.open(path, "wt", encoding="utf8") as file:
        file.write("split\tlabel\ttext\ntrain\ta\tx\ndev\tb\ty\n")
    assert pairs(read_texts(path, "dev")) == [("y", "b")]
    assert len(read_texts(path)) == 2
    with pytest.raises(ValueError, match="'test'; it has dev, train"):
        read_texts(path, "test")
    plain = write(tmp_path / "t.csv", "label,text\na,b\n")
    with pytest.raises(ValueError, match="leave the split out"):
        read_texts(plain, "test")


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("t.tsv", b"label\ttext\na\n", "line 2: 1 columns, expected 2"),
        ("t.tsv", b"label\ttext\n", "has no row"),
        ("t.csv", b"label,text\na,\xff\xfe\n", "cannot be read as UTF-8"),
        ("t.csv", b'label,text\na,"open\n', "is malformed"),
        ("t.tsv.xz", lzma.compress(b"abc" * 99)[:40], "t.tsv.xz cannot be"),
        ("t.txt", b"x", "ends in .tsv, .csv or .jsonl"),
        ("t.jsonl", b'{"label": 1', "line 1: not JSON"),
        ("t.jsonl", b"[1]\n", "line 1: a list; expected an object"),
        (
            "t.jsonl",
            b'{"label": "a", "text": "b"}\n{"label": "a"}\n',
            "line 2: no 'text'",
        ),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_texts(path)


def test_nothing_there_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.tsv is missing"):
        read_texts(tmp_path / "none.tsv")
    with pytest.raises(ValueError, match="no folders with .txt files"):
        read_texts(tmp_path)
    (tmp_path / "pos").mkdir()
    (tmp_path / "pos/a.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(ValueError, match="a.txt is not UTF-8"):
        read_texts(tmp_path)


def test_every_part_has_its_share_of_every_class():
    examples = [TextExample("", "ab"[i % 3 == 0], "") for i in range(90)]
    part = split_by_class(examples, 5, seed=1)
    for i in range(5):
        held = [e.label for e, p in zip(examples, part) if p == i]
        assert (held.count("a"), held.count("b")) == (12, 6)
    np.testing.assert_array_equal(part, split_by_class(examples, 5, seed=1))
    assert (part != split_by_class(examples, 5, seed=2)).any()


def test_a_class_smaller_than_the_parts_is_named():
    examples = [TextExample("", label, "") for label in "aaaaab"]
    with pytest.raises(ValueError, match="Class 'b' has 1 examples, fewer"):
        split_by_class(examples, 2)


def test_a_second_text_makes_pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("label\ttext\ttext2\tother\n1\ta\tb\tc\n", "utf-8")
    assert read_texts(path)[0].text == ("a", "b")
    assert read_texts(path, pair_column="other")[0].text == ("a", "c")
    with pytest.raises(ValueError, match="no pair column 'third'.*--pair-col"):
        read_texts(path, pair_column="third")
    lines = tmp_path / "pairs.jsonl"
    lines.write_text('{"label": 1, "sentence1": "a"}\n', "utf-8")
    assert read_texts(lines)[0].text == "a"
    lines.write_text(
        '{"label": 1, "sentence1": "a", "sentence2": "b"}\n'
        '{"label": 1, "sentence1": "a"}\n',
        "utf-8",
    )
    with pytest.raises(ValueError, match="line 2: no 'sentence2' in this row"):
        read_texts(lines)
