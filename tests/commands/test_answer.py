"""`keras-selfattn answer`: its output and its bad input."""

import json

import pytest

from tests.command_line import TINY_TRANSLATION, run
from tests.tasks.test_text_to_text import TASKS


@pytest.mark.slow
def test_a_line_a_text(exported_text_to_text):
    path = exported_text_to_text[1]
    pairs = TASKS["digits"][:2]
    sources = [pair.source for pair in pairs]
    result = run("answer", "--preset", path, *sources)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [pair.target for pair in pairs]

    prefix, _, rest = sources[0].partition(" ")
    options = ["--prefix", f"{prefix} ", "--beam", "2", "--json"]
    result = run("answer", "--preset", path, *options, stdin=f"{rest}\n")
    found = json.loads(result.stdout)
    assert found["source"] == sources[0]
    assert found["text"] == pairs[0].target and found["token_ids"]
    assert result.stderr == "1 answered\n"


def test_another_model_is_named():
    result = run("answer", "--preset", TINY_TRANSLATION, "one")
    assert result.exit_code == 2
    assert "no text-to-text model" in result.stderr
