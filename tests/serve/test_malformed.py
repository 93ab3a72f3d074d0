"""Broken requests over the wire: no 500, no hang, and it still answers."""

import base64
import json
import os
import random
import socket
import struct
from collections import Counter
from urllib.parse import urlsplit

import httpx2
import pytest

from tests.serve_client import SAMPLE, child, wait_until

JSON = b"Content-Type: application/json\r\n"
FORM = b"Content-Type: multipart/form-data; boundary=part\r\n"
PART = b'--part\r\nContent-Disposition: form-data; name="%s"%s\r\n\r\n%s\r\n'


def post(path, headers, body, length=None):
    length = len(body) if length is None else length
    head = b"POST %s HTTP/1.1\r\nHost: 127.0.0.1\r\n%s" % (path, headers)
    return head + b"Content-Length: %d\r\n\r\n" % length + body


def recording(content, **fields):
    parts = [PART % (k.encode(), b"", v.encode()) for k, v in fields.items()]
    parts.append(PART % (b"file", b'; filename="a.wav"', content))
    body = b"".join(parts) + b"--part--\r\n"
    return post(b"/v1/audio/transcriptions", FORM, body)


def websocket(*frames):
    """A handshake and frames, each (first byte, payload)."""
    key = base64.b64encode(bytes(16))
    head = (
        b"GET /v1/audio/stream?model=tiny_stream HTTP/1.1\r\n"
        b"Host: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n" % key
    )
    sent = [head]
    for first, payload in frames:
        size = len(payload)
        length = (
            bytes([0x80 | size])
            if size < 126
            else b"\xfe" + struct.pack(">H", size)
        )
        sent.append(bytes([first]) + length + bytes(4) + payload)
    return b"".join(sent)


def classify(body):
    return post(b"/v1/classify", JSON, body)


def hand_made():
    """Requests that are wrong in ways that somebody thought of."""
    deep = b"[" * 50_000
    huge = b'{"input": ' + b"9" * 10_000 + b"}"
    yield from map(classify, (b"", b"{", b"null", b"\xff\xfe", deep, huge))
    yield classify(b'{"input": "\\ud800\\u0000"}')
    yield classify(b'{"input": "a", "input": 3}')
    yield classify(json.dumps({"input": [["a"]]}).encode())
    yield post(b"/v1/classify", JSON, b"{}", length=10)  # and then nothing
    yield post(b"/v1/classify", JSON, b'{"input": "a"}', length=3)
    yield post(b"/v1/classify", b"Content-Length: 4\r\n", b"{}")
    chunked = JSON + b"Transfer-Encoding: chunked\r\n\r\n"
    head = b"POST /v1/classify HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    yield head + chunked + b"zz\r\n{}\r\n0\r\n\r\n"
    yield head + chunked + b"ffffffffffffffff\r\n"
    yield head + JSON + b"Content-Length: -1\r\n\r\n"
    yield head + JSON + b"Content-Length: 99999999999999999999\r\n\r\n"
    yield head + JSON + b"Content-Encoding: gzip\r\n\r\n"
    yield head + b"X: " + b"a" * 100_000 + b"\r\n\r\n"
    yield b"GET /v1/search?q=%ff%00%22*( HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    yield b"GET /v1/models/%00%ff HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    yield b"GET /../../etc/passwd HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    yield b"GET / HTTP/1.1\r\n\r\n"
    yield b"GET / HTTP/9.9\r\nHost: 127.0.0.1\r\n\r\n"
    yield b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n"
    yield b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)
    yield b"\r\n" * 100
    yield bytes(1000)
    for content in (b"", b"RIFF", SAMPLE[:40], SAMPLE[:-7], b"OggS" * 99):
        yield recording(content)
    yield recording(SAMPLE, model="\x00", response_format="\xff")
    yield recording(SAMPLE).replace(b"boundary=part", b"boundary=" + b"a" * 999)
    yield recording(SAMPLE).replace(b"form-data; name", b"form-data; x")
    yield websocket((0x82, b"odd"))
    yield websocket((0x81, b"\xff\xff"))
    yield websocket((0x81, b"{" * 1000))
    yield websocket((0x83, b"no such kind"))
    yield websocket((0x80, b"goes on with nothing"))
    yield websocket((0xF2, b"bits that nobody agreed on"))
    yield websocket((0x82, bytes(60_000)), (0x88, b"\x00"))
    yield websocket((0x82, bytes(64)))  # and then nothing


def mutated(chance):
    """A request that was right, with some of its bytes changed."""
    request = bytearray(
        chance.choice(
            (
                classify(b'{"input": ["a film", "b"], "attention": true}'),
                post(
                    b"/v1/translate",
                    JSON,
                    b'{"q": "seven three", "beam": 2, "alignment": true}',
                ),
                recording(SAMPLE[:9000], model="tiny_asr", language="en"),
                recording(SAMPLE[:9000], response_format="verbose_json"),
                websocket((0x82, SAMPLE[44:844]), (0x81, b'{"type": "end"}')),
                b"GET /v1/search?q=girl&limit=3 HTTP/1.1\r\n"
                b"Host: 127.0.0.1\r\n\r\n",
            )
        )
    )
    # Half of them behind the head, where the server looks less closely.
    body = request.find(b"\r\n\r\n") + 4
    low = body if chance.random() < 0.5 and body < len(request) else 0
    high = min(len(request), low + chance.choice((60, 400, len(request))))
    for _ in range(chance.choice((1, 2, 8, 64))):
        i = chance.randrange(low, high)
        request[i] = chance.choice((0, 0xFF, 0x22, 0x0A, chance.randrange(256)))
    if chance.random() < 0.2:
        del request[chance.randrange(low, high) :]
    return bytes(request)


def outcome(port, request):
    """The status of the first answer, or "closed", or "hung"."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as sock:
        try:
            sock.sendall(request)
            sock.shutdown(socket.SHUT_WR)
            answer = b""
            while len(answer) < 12 and (data := sock.recv(4096)):
                answer += data
            while sock.recv(1 << 16):
                pass
        except TimeoutError:
            return "hung"
        except OSError:  # it did not want to read the rest
            pass
    if not answer.startswith(b"HTTP/"):
        return "closed"
    return int(answer.split()[1])


def survives(count, texts_folder):
    chance = random.Random(1)
    made = list(hand_made())
    made += [mutated(chance) for _ in range(count - len(made))]
    arguments = ("--workers", "1", "--search-folder", texts_folder)
    with child(*arguments) as (process, address):
        port = urlsplit(address).port
        found = Counter()
        for request in made:
            status = outcome(port, request)
            found[status] += 1
            assert status == "closed" or status != "hung" and status < 500, (
                status,
                request[:2000],
            )
        assert process.poll() is None
        answer = httpx2.post(f"{address}/v1/classify", json={"input": "a"})
        assert answer.status_code == 200
        # Nobody's request is left behind, and no worker had to be replaced.
        metrics = wait_until(
            lambda: (
                "requests_in_progress 0.0"
                in (text := httpx2.get(f"{address}/metrics").text)
                and text
            )
        )
        assert "keras_selfattn_worker_restarts_total 0.0" in metrics
        wait_until(
            lambda: (
                "keras_selfattn_streams 0.0"
                in httpx2.get(f"{address}/metrics").text
            )
        )
    return found


def test_broken_requests_break_nothing(texts_folder):
    found = survives(120, texts_folder)
    assert found[400] > 20 and sum(found.values()) == 120


@pytest.mark.proof
def test_two_thousand_broken_requests_break_nothing(texts_folder):
    found = survives(int(os.environ.get("REQUESTS", 2000)), texts_folder)
    print(found)
    assert found[400] > 300
