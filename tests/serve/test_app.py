import re

import pytest

from keras_selfattn.serve.app import create_app
from tests.command_line import TINY_TEXT
from tests.serve_client import figure, running, settings


def test_health_says_how_many_workers_run(client):
    assert client.get("/healthz").json() == {
        "status": "ok",
        "workers": 1,
        "waiting": 0,
        "search": True,
        "token": False,
    }


def test_figures_count_what_was_asked():
    with running(presets=[TINY_TEXT]) as client:
        name = 'keras_selfattn_requests_total{path="/v1/classify",status="%s"}'
        for body in ({"input": "a"}, {"input": "b"}, {}):
            client.post("/v1/classify", json=body)
        assert figure(client, name % 200) == 2
        assert figure(client, name % 400) == 1
        assert figure(client, "keras_selfattn_batch_size_count") == 2
        assert figure(client, "keras_selfattn_requests_in_progress") == 0
        answer = client.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/nothing", 404),
        ("GET", "/v1/classify", 405),
        ("DELETE", "/", 405),
        ("POST", "/healthz", 405),
        ("BREW", "/v1/models", 405),
        ("GET", "/page/../app.py", 404),
        ("GET", "/page/%2e%2e/app.py", 404),
        ("GET", "/page//etc/passwd", 404),
        ("GET", "/page/", 404),
    ],
)
def test_what_is_not_there_is_told_in_our_shape(client, method, path, status):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_the_page_loads_nothing_of_anybody_else(client):
    """Every address in the page's parts is one of this service's own."""
    page = client.get("/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^"#][^"]*)"', page.text)
    assert len(named) >= 4
    seen = {"/page/worklet.js"}
    seen.update(name for name in named if name.startswith("/page/"))
    waiting = sorted(seen)
    while waiting:
        part = client.get(waiting.pop())
        assert part.status_code == 200
        for name in re.findall(r'from "\./([\w.]+)"', part.text):
            if f"/page/{name}" not in seen:
                seen.add(f"/page/{name}")
                waiting.append(f"/page/{name}")
        foreign = re.findall(r"https?://[^\s\"')]+", part.text)
        assert set(foreign) <= {"http://www.w3.org/2000/svg"}
    assert {"/page/api.js", "/page/drawing.js", "/page/microphone.js"} <= seen
    # The policy forbids code and styles within the page: there are none.
    assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", page.text)


def test_a_folder_that_cannot_be_searched_is_told(tmp_path):
    with pytest.raises(ValueError, match="no text to search"):
        create_app([], settings(), tmp_path)
