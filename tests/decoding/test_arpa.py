"""ARPA files: written, read, and refused where they are none."""

import io
import math

import pytest

from keras_selfattn.decoding import arpa, kneser_ney
from keras_selfattn.decoding.ngram_model import NgramError
from tests.decoding.sentences import sentences

# As KenLM writes it: tabs, no back-off weight where nothing follows.
FILE = """\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1.5\t<unk>\t0
0\t<s>\t-0.30103
-0.7\t</s>\t0
-0.5\tb\t0
-0.4\ta\t-0.2

\\2-grams:
-0.1\t<s> a
-0.2\ta </s>

\\end\\
"""


def text_of(model):
    file = io.StringIO()
    arpa.write(model, file)
    return file.getvalue()


def test_a_file_means_what_it_says():
    model = arpa.read(FILE.splitlines())
    tens = [
        (["a"], -0.1 - 0.2),
        (["b"], -0.30103 - 0.5 - 0.7),
        (["a", "b"], -0.1 - 0.2 - 0.5 - 0.7),
        (["c"], -0.30103 - 1.5 - 0.7),
    ]
    for words, log10 in tens:
        found = model.sentence(words) / math.log(10)
        assert found == pytest.approx(log10, abs=1e-5), words


@pytest.mark.parametrize("prune", [0.0, 1.0])
def test_writing_and_reading_gives_the_same_model(prune):
    model = kneser_ney.train(sentences(), 3, prune=prune)
    text = text_of(model)
    again = arpa.read(text.splitlines())
    assert [len(level.log_probs) for level in again.levels] == [
        len(level.log_probs) for level in model.levels
    ]
    for line in sentences(seed=1):
        assert again.sentence(line) == pytest.approx(
            model.sentence(line), abs=1e-4
        )
    assert text_of(again) == text


def test_unknown_words_never_occur_where_there_is_no_unk():
    lines = [line for line in FILE.splitlines() if "<unk>" not in line]
    model = arpa.read([lines[0], "ngram 1=4", *lines[2:]])
    assert model.sentence(["c"]) < -200


def test_lines_in_any_order_and_capital_unk_are_read():
    lines = FILE.replace("<unk>", "<UNK>").splitlines()
    lines[5:10] = lines[9:4:-1]
    assert arpa.read(lines).sentence(["c", "a"]) == pytest.approx(
        arpa.read(FILE.splitlines()).sentence(["c", "a"])
    )


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("\\end\\", "", "ends before"),
        ("ngram 1=5", "ngram 1=6", "5 different 1-grams, 6 announced"),
        ("-0.4\ta\t-0.2", "x\ta\t-0.2", "line 10"),
        ("-0.1\t<s> a", "-0.1\ta", "2 words"),
        ("-0.1\t<s> a", "-0.1\tc a", "goes on from"),
        ("\\1-grams:", "\\3-grams:", "do not follow"),
        (FILE, "hello", "ends before"),
    ],
)
def test_what_is_no_arpa_file_is_refused_with_the_line(old, new, message):
    assert old in FILE
    with pytest.raises(NgramError, match=message) as error:
        arpa.read(FILE.replace(old, new).splitlines(), "my.arpa")
    assert "my.arpa" in str(error.value)
