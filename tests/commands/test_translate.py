"""`keras-selfattn translate`: its output and its bad input."""

import json

import pytest

from keras_selfattn.runtime import Translator
from tests.command_line import TINY_TRANSLATION, run

# What the small preset has learned.
PAIRS = {"seven three nine": "7 3 9", "nine five": "9 5", "eight": "8"}


def translate(*arguments, stdin=None):
    return run(
        "translate", "--preset", TINY_TRANSLATION, *arguments, stdin=stdin
    )


@pytest.mark.parametrize("beam", [1, 2])
def test_a_line_a_text(beam):
    result = translate(*PAIRS, "--beam", str(beam))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == list(PAIRS.values())


def test_the_length_penalty_reaches_the_search():
    source = "nine nine eight one two"
    found = [
        translate(source, "--beam", "4", "--alpha", alpha).stdout.strip()
        for alpha in ("0", "3")
    ]
    translator = Translator(TINY_TRANSLATION)
    assert found == [
        translator.translate(source, beam=4, alpha=alpha).text
        for alpha in (0.0, 3.0)
    ]
    assert translate(source, "--alpha", "-1").exit_code == 2


def test_the_alias_translation_is_taken_without_a_preset(home):
    assert run("translate", "seven three nine").stdout == "7 3 9\n"


def test_json_gives_an_object_a_line():
    source = "seven three nine"
    (line,) = translate(source, "--json").stdout.splitlines()
    value = json.loads(line)
    assert (value["source"], value["text"]) == (source, PAIRS[source])
    assert value["token_ids"] and value["seconds"] > 0


def test_lines_of_stdin_keep_their_places():
    one, two, _ = PAIRS
    result = translate(stdin=f"{one}\n\n{two}\r\n")
    assert result.stdout.split("\n") == [PAIRS[one], "", PAIRS[two], ""]
    assert result.stderr == "3 translated\n"
    assert translate(stdin="").stderr == "0 translated\n"


def test_bytes_that_are_no_utf_8_are_counted():
    result = translate(stdin=b"one \xff\n")
    assert result.exit_code == 0
    assert "1 not UTF-8" in result.stderr


def test_bad_input_is_one_line(repository):
    result = run("translate", "--preset", "none.tflite", "one")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: none.tflite does not exist")
    other = repository / "tests/golden/tiny_asr/model.tflite"
    result = run("translate", "--preset", other, "one")
    assert result.exit_code == 2
    assert "is no translator" in result.stderr
