import lzma

import pytest

from keras_selfattn.data.text_corpora import TextExample, read_labelled_texts

TABLE = (
    "split\tlabel\ttext\n"
    'train\tpos\tA "fine" film.\n'
    "test\tneg\tNot so  fine.\n"
    "train\tneg\tNo.\n"
)


def write(path, text=TABLE):
    opened = lzma.open if path.suffix == ".xz" else open
    with opened(path, "wt", encoding="utf8") as file:
        file.write(text)
    return path


@pytest.mark.parametrize("name", ["table.tsv", "table.tsv.xz"])
def test_reads_rows_in_order_plain_or_compressed(tmp_path, name):
    examples = read_labelled_texts(write(tmp_path / name))
    assert examples == [
        TextExample('A "fine" film.', "pos", "train"),
        TextExample("Not so  fine.", "neg", "test"),
        TextExample("No.", "neg", "train"),
    ]


def test_keeps_the_splits_that_are_asked_for(tmp_path):
    path = write(tmp_path / "table.tsv")
    assert [e.text for e in read_labelled_texts(path, "test")] == [
        "Not so  fine."
    ]
    assert len(read_labelled_texts(path, ["train", "test"])) == 3
    with pytest.raises(ValueError, match="no split 'dev'; it has 'train', "):
        read_labelled_texts(path, "dev")


def test_more_columns_may_follow_in_any_order(tmp_path):
    table = "text\tlabel\ttext2\tsplit\na\t1\tb\ttrain\n"
    found = read_labelled_texts(write(tmp_path / "table.tsv", table))
    assert found == [TextExample("a", "1", "train")]


@pytest.mark.parametrize(
    "table, message",
    [
        ("split\ttext\n", "no column label"),
        ("", "no column split"),
        ("split\tlabel\ttext\ntrain\tpos\n", "line 2: 2 columns, expected 3"),
    ],
)
def test_a_wrong_table_is_named(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        read_labelled_texts(write(tmp_path / "table.tsv", table))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.tsv is missing"):
        read_labelled_texts(tmp_path / "none.tsv")
    (tmp_path / "latin.tsv").write_bytes(TABLE.encode() + b"\xe9\t\t\n")
    with pytest.raises(ValueError, match="latin.tsv cannot be read as UTF-8"):
        read_labelled_texts(tmp_path / "latin.tsv")
    (tmp_path / "cut.tsv.xz").write_bytes(lzma.compress(b"abc" * 99)[:40])
    with pytest.raises(ValueError, match="cut.tsv.xz cannot be read"):
        read_labelled_texts(tmp_path / "cut.tsv.xz")
