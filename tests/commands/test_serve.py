"""`keras-selfattn serve`: what it is told, and what it refuses."""

import os
import sys

import httpx2
import pytest

from tests.command_line import TINY, TINY_TEXT, run
from tests.serve_client import child


def serve(*arguments):
    return run("serve", "--preset", TINY_TEXT, *arguments)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--preset", "nothing-like-it"], "unknown preset"),
        (["--preset", TINY_TEXT], "twice"),
        (["--search-folder", "no/such/folder"], "no folder"),
        (["--token", " "], "token"),
    ],
)
def test_what_is_wrong_is_said_in_a_line(arguments, message):
    result = serve(*arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_without_its_extra_it_says_how_to_get_it(monkeypatch):
    for name in list(sys.modules):
        if name.startswith("keras_selfattn.serve"):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    result = serve()
    assert result.exit_code == 2
    assert "pip install 'keras-selfattn[serve]'" in result.stderr


def test_an_open_door_is_warned_of(monkeypatch):
    from keras_selfattn.serve import server

    given = []
    monkeypatch.setattr(server, "serve", lambda *what: given.append(what))
    result = serve("--host", "0.0.0.0", "--port", "0")
    assert "whoever reaches 0.0.0.0" in result.stderr
    locked = serve("--host", "0.0.0.0", "--port", "0", "--token", "a")
    assert locked.stderr == ""
    assert serve().stderr == ""
    models, settings, host, port, folder = given[1]
    assert [model.name for model in models] == ["tiny_text"]
    assert (settings.token, host, port, folder) == ("a", "0.0.0.0", 0, None)
    assert "0.0.0.0" in settings.hosts


def test_the_token_of_the_environment_locks_it():
    env = {**os.environ, "KERAS_SELFATTN_TOKEN": "sesame"}
    with child("--workers", "1", presets=[TINY], env=env) as (_, address):
        url = f"{address}/v1/models"
        assert httpx2.get(url).status_code == 401
        headers = {"Authorization": "Bearer sesame"}
        assert httpx2.get(url, headers=headers).status_code == 200
