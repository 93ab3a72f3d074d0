"""Readers of sentence pairs, on small files that the tests write."""

import lzma

import pytest

from keras_selfattn.data.parallel_corpora import (
    ParallelExample,
    clean_pairs,
    read_parallel,
    read_parallel_files,
    read_parallel_table,
    split_folds,
    weighted_length,
)

TABLE = 'split\tsrc\ttgt\ntrain\tA "dog.\tEin Hund.\nval\tYes\tJa\n'


def pairs(*texts):
    return [ParallelExample(*pair, "train") for pair in texts]


@pytest.mark.parametrize("name", ["t.tsv", "t.tsv.xz"])
def test_a_table_is_read_plain_or_compressed(tmp_path, name):
    opened = lzma.open if name.endswith("xz") else open
    with opened(tmp_path / name, "wt", encoding="utf8") as file:
        file.write(TABLE)
    found = read_parallel_table(tmp_path / name)
    assert found[0] == ParallelExample('A "dog.', "Ein Hund.", "train")
    assert read_parallel_table(tmp_path / name, "val") == found[1:]
    assert read_parallel_table(tmp_path / name, ["val", "train"]) == found
    assert found[1].swapped() == ParallelExample("Ja", "Yes", "val")


@pytest.mark.parametrize(
    "text,message",
    [
        ("split\tsrc\ntrain\ta\n", "no column tgt"),
        (TABLE + "train\tone\n", "line 4: 2 columns, expected 3"),
        ("", "no column split, src, tgt"),
    ],
)
def test_a_broken_table_is_named(tmp_path, text, message):
    (tmp_path / "t.tsv").write_text(text, "utf8")
    with pytest.raises(ValueError, match=message):
        read_parallel_table(tmp_path / "t.tsv")


def test_what_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(ValueError, match="none.tsv is missing"):
        read_parallel_table(tmp_path / "none.tsv")
    (tmp_path / "t.tsv").write_bytes(b"split\tsrc\ttgt\n\xff\xfe\t\t\n")
    with pytest.raises(ValueError, match="cannot be read as UTF-8"):
        read_parallel_table(tmp_path / "t.tsv")
    (tmp_path / "t.xz").write_bytes(b"no xz")
    with pytest.raises(ValueError, match="cannot be read as UTF-8"):
        read_parallel_table(tmp_path / "t.xz")
    (tmp_path / "u.tsv").write_text(TABLE, "utf8")
    with pytest.raises(ValueError, match="no split 'test'; it has 'train'"):
        read_parallel_table(tmp_path / "u.tsv", "test")


def test_two_files_belong_together_line_for_line(tmp_path):
    (tmp_path / "a.en").write_text("one\u2028two\nthree\n", "utf8")
    (tmp_path / "a.de").write_bytes(b"eins\r\ndrei")
    found = read_parallel_files(tmp_path / "a.en", tmp_path / "a.de", "dev")
    assert found == [
        ParallelExample("one\u2028two", "eins", "dev"),
        ParallelExample("three", "drei", "dev"),
    ]


def test_an_odd_number_of_lines_is_told_with_both_counts(tmp_path):
    (tmp_path / "a.en").write_text("one\ntwo\nthree\n", "utf8")
    (tmp_path / "a.de").write_text("eins\nzwei\n", "utf8")
    with pytest.raises(ValueError, match="a.en has 3 lines and .*a.de has 2;"):
        read_parallel_files(tmp_path / "a.en", tmp_path / "a.de")


def test_corpora_are_named_in_one_word(tmp_path):
    (tmp_path / "t.tsv").write_text(TABLE, "utf8")
    (tmp_path / "a.en").write_text("two\n", "utf8")
    (tmp_path / "a.de").write_text("zwei\n", "utf8")
    entries = [f"{tmp_path}/t.tsv:val", f"{tmp_path}/a.en,{tmp_path}/a.de"]
    found = [(e.source, e.target) for e in read_parallel(entries)]
    assert found == [("Yes", "Ja"), ("two", "zwei")]
    swapped = [(e.source, e.target) for e in read_parallel(entries, swap=True)]
    assert swapped == [("Ja", "Yes"), ("zwei", "two")]
    for wrong in ("t.tsv", ":val", "t.tsv:"):
        with pytest.raises(ValueError, match="expected TABLE:SPLIT, or SOURCE"):
            read_parallel([wrong])


def test_what_teaches_nothing_is_left_out_and_counted(capsys):
    good = pairs(("a  dog", "ein Hund"), ("yes", "ja"))
    bad = pairs(
        ("a dog", "ein Hund"),
        ("", "leer"),
        ("nothing", " \t"),
        ("x" * 50, "y" * 50),
        ("no", "ein sehr langer Satz, zu lang"),
        ("Berlin", "Berlin"),
    )
    found = clean_pairs([*good, *bad], max_characters=40, max_ratio=3.0)
    assert found == pairs(("a dog", "ein Hund"), ("yes", "ja"))
    printed = capsys.readouterr().err
    assert "2 pairs kept" in printed
    for count in (
        "1 twice",
        "2 without text",
        "1 too long",
        "1 of too different lengths",
        "1 not translated",
    ):
        assert count in printed


def test_chinese_characters_count_for_more():
    assert weighted_length("你好ab") == 8
    pair = pairs(("虽然他很努力", "although he has tried very hard indeed"))
    assert not clean_pairs(pair, max_ratio=2.5, progress=False)
    kept = clean_pairs(
        pair, max_ratio=2.5, num_characters=weighted_length, progress=False
    )
    assert kept == pair


def test_a_ratio_of_one_is_refused():
    with pytest.raises(ValueError, match="max_ratio=1"):
        clean_pairs([], max_ratio=1)


def test_each_part_is_held_out_once():
    examples = pairs(*((str(i % 30), str(i)) for i in range(60)))
    parts = split_folds(examples, 3)
    held = [example for _, part in parts for example in part]
    assert sorted(e.target for e in held) == sorted(e.target for e in examples)
    for rest, part in parts:
        assert 10 < len(part) < 30
        assert len(rest) + len(part) == len(examples)
        assert not {e.source for e in rest} & {e.source for e in part}
    assert split_folds(examples, 3) == parts
    for count in (1, 40):
        with pytest.raises(ValueError, match=f"be parted into {count}"):
            split_folds(examples, count)
