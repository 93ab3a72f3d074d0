import threading
import time

import anyio
import pytest
from starlette.testclient import WebSocketDenialResponse

from keras_selfattn.serve.guard import OPEN_PATHS, SECURITY_HEADERS
from tests.serve_client import (
    SAMPLE,
    STREAM,
    TRANSCRIBE,
    figure,
    running,
    stopped,
    wait_until,
)

TOKEN = "a long and random token"
TEXT = {"input": "a film"}


@pytest.fixture(scope="module")
def locked():
    with running(token=TOKEN) as client:
        yield client


@pytest.fixture(scope="module")
def small():
    """A service that takes two requests at once, and small ones."""
    with running(
        queue_size=2, max_upload_bytes=100_000, body_seconds=0.5
    ) as client:
        yield client


def bearer(token):
    return {"Authorization": f"Bearer {token}"}


def working(client, headers):
    """Every request that computes something, with these headers."""
    yield client.post("/v1/classify", json=TEXT, headers=headers)
    yield client.post("/v1/translate", json={"q": "one"}, headers=headers)
    yield client.post("/translate", json={"q": "one"}, headers=headers)
    yield client.post(TRANSCRIBE, files={"file": SAMPLE}, headers=headers)


def test_without_the_token_nothing_is_computed(locked):
    for headers in (
        {},
        bearer("wrong"),
        bearer(TOKEN + "x"),
        bearer(""),
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": b"Bearer \xff\xfe"},
        {"Authorization": "Bearer"},
    ):
        for answer in working(locked, headers):
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
        for path in ("/v1/models", "/metrics", "/v1/search?q=a"):
            assert locked.get(path, headers=headers).status_code == 401
    locked.headers.update(bearer(TOKEN))
    assert figure(locked, "keras_selfattn_batch_size_count") == 0
    assert [a.status_code for a in working(locked, {})] == [200] * 4
    assert figure(locked, "keras_selfattn_batch_size_count") == 4
    del locked.headers["Authorization"]


def test_a_stream_needs_the_token_too(locked):
    for protocols in (
        None,
        ["keras-selfattn"],
        ["keras-selfattn", "bearer.00"],
        ["bearer.nohex"],
    ):
        with pytest.raises(WebSocketDenialResponse) as caught:
            with locked.websocket_connect(STREAM, protocols):
                pass
        assert caught.value.status_code == 401
    assert locked.app.state.streams.live == 0
    protocols = ["keras-selfattn", f"bearer.{TOKEN.encode().hex()}"]
    with locked.websocket_connect(STREAM, protocols) as socket:
        assert socket.accepted_subprotocol == "keras-selfattn"
        assert socket.receive_json()["type"] == "ready"


def test_the_page_and_its_health_are_open(locked):
    for path in OPEN_PATHS:
        assert locked.get(path).status_code == 200
    assert locked.get("/page/main.js").status_code == 200


def test_every_answer_has_the_security_headers(client, locked):
    answers = [
        client.get("/"),
        client.get("/nothing"),
        client.post("/v1/classify", content=b"{"),
        locked.get("/v1/models"),
    ]
    assert [a.status_code for a in answers] == [200, 404, 415, 401]
    for answer in answers:
        for name, value in SECURITY_HEADERS.items():
            assert answer.headers[name] == value


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil", "", "::1"])
def test_another_host_name_is_refused(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:80"])
def test_the_loopback_s_names_are_known(client, host):
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:81", "http://[", "\xff"],
)
def test_pages_of_other_origins_are_refused(client, origin):
    headers = {"Origin": origin.encode("latin-1")}
    answer = client.post("/v1/classify", json=TEXT, headers=headers)
    assert answer.status_code == 403
    with pytest.raises(WebSocketDenialResponse) as caught:
        with client.websocket_connect(STREAM, headers=headers):
            pass
    assert caught.value.status_code == 403


def test_its_own_page_may_ask(client):
    headers = {"Origin": "http://127.0.0.1"}
    answer = client.post("/v1/classify", json=TEXT, headers=headers)
    assert answer.status_code == 200


def test_a_large_body_is_refused_by_its_header_and_by_its_length(small):
    large = b"0" * 100_001
    assert small.post("/v1/classify", content=large).status_code == 413
    answer = small.post(
        "/v1/classify",
        content=(large[i : i + 5000] for i in range(0, len(large), 5000)),
        headers={"Content-Type": "application/json"},
    )
    assert "content-length" not in answer.request.headers
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "body_too_large"
    answer = small.post(
        TRANSCRIBE, files={"file": large + large}, data={"model": "tiny_asr"}
    )
    assert answer.status_code == 413


def test_texts_may_be_shorter_than_recordings(client):
    large = b'{"input": "a", "more": "' + b"0" * 2**20 + b'"}'
    headers = {"Content-Type": "application/json"}
    answer = client.post("/v1/classify", content=large, headers=headers)
    assert answer.status_code == 413
    answer = client.post(TRANSCRIBE, files={"file": large})
    assert answer.status_code == 400  # it was read: it is no recording


def test_a_body_that_does_not_come_is_not_waited_for(small):
    """A client that sends half of it and then nothing."""
    sent = []

    async def half():
        if not sent_half:
            sent_half.append(True)
            body = b'{"input": '
            return {"type": "http.request", "body": body, "more_body": True}
        await anyio.sleep(60)

    async def send(message):
        sent.append(message)

    sent_half = []
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/classify",
        "raw_path": b"/v1/classify",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"application/json"),
        ],
    }
    started = time.monotonic()
    small.portal.call(small.app, scope, half, send)
    assert time.monotonic() - started < 10
    assert sent[0]["status"] == 408
    assert (b"connection", b"close") in sent[0]["headers"]
    assert small.app.accepted == 0


def test_a_full_queue_is_told_and_what_was_accepted_is_answered(small):
    pool = small.app.state.service.pool
    found = []

    def ask():
        found.append(small.post("/v1/classify", json=TEXT).status_code)

    with stopped(pool.process_ids):
        threads = [threading.Thread(target=ask) for _ in range(2)]
        for thread in threads:
            thread.start()
        wait_until(lambda: small.app.accepted == 2)
        for answer in working(small, {}):
            assert answer.status_code == 429
            assert int(answer.headers["retry-after"]) >= 1
        assert small.get("/healthz").status_code == 200
    for thread in threads:
        thread.join(20)
    assert found == [200, 200]
    assert small.post("/v1/classify", json=TEXT).status_code == 200


def test_what_comes_when_it_shuts_down_is_refused(small):
    small.app.draining = True
    try:
        answer = small.post("/v1/classify", json=TEXT)
    finally:
        small.app.draining = False
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "shutting_down"


def test_paths_do_not_make_figures_grow(client):
    for i in range(3):
        client.get(f"/nothing/{i}")
    text = client.get("/metrics").text
    assert "/nothing" not in text
    assert 'path="other",status="404"' in text
    started = time.monotonic()
    assert client.get("/healthz").status_code == 200
    assert time.monotonic() - started < 5
