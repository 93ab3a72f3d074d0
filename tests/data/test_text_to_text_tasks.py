import lzma

import pytest

from keras_selfattn.data.text_to_text_tasks import TextPair, read_tasks


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "films.tsv.xz"
    rows = ["split\tlabel\ttext", "train\tpos\ta gem", "dev\tneg\tno = fun"]
    with lzma.open(path, "wt", encoding="utf8") as file:
        file.write("\n".join([*rows, "train\tneg\tdull"]) + "\n")
    return path


def test_a_task_has_its_name_before_each_source(table):
    found = read_tasks(
        [f"sst2 sentence={table}:train"],
        ["sst2 sentence:pos=positive,neg=negative"],
    )
    assert found == {
        "sst2 sentence": [
            TextPair("sst2 sentence: a gem", "positive"),
            TextPair("sst2 sentence: dull", "negative"),
        ]
    }
    found = read_tasks([f"a={table}:dev", f"a={table}:train"])
    assert [pair.target for pair in found["a"]] == ["neg", "pos", "neg"]


def test_a_table_may_name_its_tasks(tmp_path):
    path = tmp_path / "tasks.tsv"
    path.write_text(
        "task\tsource\ttarget\tsplit\n"
        "add\t1 1\t2\ttrain\nspell\tab\ta b\ttrain\n"
    )
    assert read_tasks([f"{path}:train"]) == {
        "add": [TextPair("add: 1 1", "2")],
        "spell": [TextPair("spell: ab", "a b")],
    }


def test_what_does_not_fit_is_refused(table, tmp_path):
    broken = tmp_path / "broken.tsv"
    broken.write_text("split\ttext\tlabel\ntrain\tone\n")
    bare = tmp_path / "bare.tsv"
    bare.write_text("split\ttext\ntrain\tone\n")
    for entries, words, message in (
        (["films.tsv"], [], "expected NAME=TABLE:SPLIT"),
        ([f"a={table}:test"], [], "no split 'test'; it has 'train', 'dev'"),
        ([f"{table}:train"], [], "and task where no NAME="),
        ([f"a={bare}:train"], [], r"columns \['split', 'text'\]; expected"),
        ([f"a={broken}:train"], [], "line 2: 2 columns, expected 3"),
        (["a=none.tsv:train"], [], "is missing"),
        ([f"a={table}:train"], ["a:pos=good"], "label 'neg'; --words a"),
        ([f"a={table}:train"], ["b:pos=good"], "words of b; the tasks are a"),
        ([f"a={table}:train"], ["a:pos"], "'a:pos': expected NAME:LABEL"),
    ):
        with pytest.raises(ValueError, match=message):
            read_tasks(entries, words)
