"""`keras-selfattn classify`: its output, its bad input, and streaming."""

import json
import subprocess
import sys

import pytest

from keras_selfattn.commands import terminal
from keras_selfattn.runtime import Classifier
from tests.command_line import TINY_TEXT, command, run

LABEL = ("good", "bad")


def classify(*arguments, stdin=None):
    return run("classify", "--preset", TINY_TEXT, *arguments, stdin=stdin)


def test_a_line_a_text():
    result = classify("a good film", "a bad film")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [label for label, _ in lines] == ["good", "bad"]
    assert all(0.5 < float(score) <= 1 for _, score in lines)


def test_the_alias_is_the_default(home):
    assert run("classify", "so good").stdout.startswith("good\t")


def test_json_gives_an_object_a_line():
    (line,) = classify("So good, 很好", "--json").stdout.splitlines()
    value = json.loads(line)
    assert line.isascii()
    assert value["text"] == "So good, 很好"
    assert value["label"] == "good"
    assert set(value["scores"]) == set(LABEL)
    assert value["known_tokens"] == 3


def test_lines_of_stdin_keep_their_places():
    result = classify(stdin="so good\n\nso bad\r\nso good")
    assert result.exit_code == 0
    labels = [line.split("\t")[0] for line in result.stdout.splitlines()]
    assert len(labels) == 4
    assert (labels[0], labels[2], labels[3]) == ("good", "bad", "good")
    assert result.stderr.startswith("4 classified\n1 without a word")
    assert classify(stdin="").stderr == "0 classified\n"


@pytest.mark.parametrize("text", ["", "???", "\u4e00\u4e01", "xyzzy plugh"])
def test_a_text_without_a_known_word_says_so(text):
    result = classify(text, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["known_tokens"] == 0
    assert result.stderr == (
        "1 without a word that the model knows: the label says nothing about "
        "them\n"
    )


def test_bytes_that_are_no_utf_8_are_counted():
    stdin = b"so good \xff\xfe\nso bad\n"
    result = classify(stdin=stdin)
    assert [line.split("\t")[0] for line in result.stdout.splitlines()] == [
        "good",
        "bad",
    ]
    assert "1 not UTF-8" in result.stderr
    child = subprocess.run(
        [sys.executable, "-m", "keras_selfattn.cli", "classify"]
        + ["--preset", str(TINY_TEXT), b"so good \xff", "--json"],
        capture_output=True,
    )
    assert child.returncode == 0
    assert json.loads(child.stdout)["label"] == "good"


def test_100000_words_have_an_answer():
    value = json.loads(classify("--json", stdin="good " * 100_000).stdout)
    assert value["label"] == "good"
    assert value["num_tokens"] == 100_000
    assert value["truncated"] is True


def test_a_line_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(terminal, "LONGEST_LINE_BYTES", 100)
    result = classify(stdin="good\n" + "x" * 200)
    assert result.exit_code == 2
    assert "line 2 of stdin is longer than 100 bytes" in result.stderr


def test_the_first_answer_comes_before_the_last_line():
    child = command(
        "classify", "--preset", TINY_TEXT, stdin=subprocess.PIPE, bufsize=1
    )
    child.stdin.write("so good\n")
    child.stdin.flush()
    assert child.stdout.readline().startswith("good\t")
    out, err = child.communicate("so bad\n")
    assert out.startswith("bad\t")
    assert err == "2 classified\n"


PEAK = """
import resource, subprocess, sys
with open(sys.argv[2]) as lines, open(sys.argv[3], "w") as out:
    subprocess.run(
        [sys.executable, "-m", "keras_selfattn.cli", "classify", "--preset",
         sys.argv[1]], stdin=lines, stdout=out, check=True,
        stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_10000_lines_need_no_more_memory_than_10(tmp_path):
    peaks, labels = [], Classifier(TINY_TEXT).labels
    for number in (10, 10_000):
        lines, out = tmp_path / "lines.txt", tmp_path / "labels.txt"
        lines.write_text("".join(f"a good film {i}\n" for i in range(number)))
        found = subprocess.run(
            [sys.executable, "-c", PEAK, str(TINY_TEXT), str(lines), str(out)],
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(found.stdout))
        answers = out.read_text().splitlines()
        assert len(answers) == number
        assert {line.split("\t")[0] for line in answers} <= set(labels)
    assert peaks[1] < peaks[0] + 16 * 1024  # KiB
