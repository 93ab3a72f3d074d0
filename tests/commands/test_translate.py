"""`keras-selfattn translate`: its output and its bad input."""

import json

import pytest

from tests.command_line import run

pytestmark = pytest.mark.slow  # the export of its model takes a while


@pytest.fixture(scope="module")
def model(exported_translator):
    return exported_translator


def translate(model, *arguments, stdin=None):
    return run("translate", "--preset", model[2], *arguments, stdin=stdin)


@pytest.mark.parametrize("beam", [1, 2])
def test_a_line_a_text(model, beam):
    pairs = model[1]
    sources = [pair.source for pair in pairs[:3]]
    result = translate(model, *sources, "--beam", str(beam))
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [pair.target for pair in pairs[:3]]


def test_json_gives_an_object_a_line(model):
    pair = model[1][0]
    (line,) = translate(model, pair.source, "--json").stdout.splitlines()
    value = json.loads(line)
    assert (value["source"], value["text"]) == (pair.source, pair.target)
    assert value["token_ids"] and value["seconds"] > 0


def test_lines_of_stdin_keep_their_places(model):
    one, two = model[1][:2]
    stdin = f"{one.source}\n\n{two.source}\r\n"
    result = translate(model, stdin=stdin)
    assert result.stdout.split("\n") == [one.target, "", two.target, ""]
    assert result.stderr == "3 translated\n"
    assert translate(model, stdin="").stderr == "0 translated\n"


def test_bytes_that_are_no_utf_8_are_counted(model):
    result = translate(model, stdin=b"one \xff\n")
    assert result.exit_code == 0
    assert "1 not UTF-8" in result.stderr


def test_bad_input_is_one_line(model, repository):
    result = run("translate", "--preset", "none.tflite", "one")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: none.tflite does not exist")
    other = repository / "tests/golden/tiny_asr/model.tflite"
    result = run("translate", "--preset", other, "one")
    assert result.exit_code == 2
    assert "is no translator" in result.stderr
