"""The server in a process of its own: signals, sockets, its last answers."""

import http.client
import json
import signal
import threading
from urllib.parse import urlsplit

import httpx2
import pytest

from keras_selfattn.serve.server import default_workers
from tests.command_line import TINY, TINY_TEXT, command
from tests.serve_client import (
    SAMPLE,
    TRANSCRIBE,
    child,
    stopped,
    wait_until,
    worker_ids,
)

BODY = json.dumps({"input": "a film"})


def ask(address, found):
    """A request over a connection of its own; what became of it."""
    connection = http.client.HTTPConnection(
        urlsplit(address).netloc, timeout=30
    )
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", "/v1/classify", BODY, headers)
        found.append(connection.getresponse().status)
    except (ConnectionRefusedError, ConnectionResetError):
        # Reset is what the kernel had queued at the door when it closed.
        found.append("refused")
    finally:
        connection.close()


def in_progress(address):
    text = httpx2.get(f"{address}/metrics").text
    name = "keras_selfattn_requests_in_progress "
    return float(text.split(f"\n{name}")[1].split("\n")[0])


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_when_what_it_accepted_is_answered(name):
    with child("--workers", "2", presets=[TINY_TEXT]) as (process, address):
        found, refused = [], []
        threads = [
            threading.Thread(target=ask, args=(address, found))
            for _ in range(12)
        ]
        with stopped(worker_ids(process)):
            for thread in threads:
                thread.start()
            wait_until(lambda: in_progress(address) == 12)
            process.send_signal(name)

            def is_refused():
                ask(address, refused)
                return refused[-1] == "refused"

            wait_until(is_refused)
            assert process.poll() is None and found == []
        for thread in threads:
            thread.join(30)
        assert found == [200] * 12
        # What came between the signal and the closed door was refused, too.
        assert set(refused) <= {"refused", 503}
        assert process.wait(20) == 0


@pytest.mark.slow
def test_it_ends_under_load_without_a_broken_answer():
    with child("--workers", "2", presets=[TINY_TEXT]) as (process, address):
        found = []

        def load():
            while not found or found[-1] != "refused":
                ask(address, found)

        threads = [threading.Thread(target=load) for _ in range(8)]
        for thread in threads:
            thread.start()
        wait_until(lambda: found.count(200) > 100)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
        for thread in threads:
            thread.join(30)
        assert set(found) <= {200, 429, 503, "refused"}


def test_a_large_upload_is_told_so_by_a_real_server():
    arguments = ("--workers", "1", "--max-upload-mib", "1")
    with child(*arguments, presets=[TINY]) as (process, address):
        files = {"file": b"0" * (3 * 2**20)}
        answer = httpx2.post(f"{address}{TRANSCRIBE}", files=files)
        assert answer.status_code == 413
        answer = httpx2.post(f"{address}{TRANSCRIBE}", files={"file": SAMPLE})
        assert answer.status_code == 200
        assert answer.headers.get("server") is None


def test_an_address_that_is_taken_is_told():
    with child("--workers", "1", presets=[TINY_TEXT]) as (_, address):
        port = urlsplit(address).port
        other = command("serve", "--preset", TINY_TEXT, "--port", port)
        _, said = other.communicate(timeout=60)
        assert other.returncode == 2
        assert "could not start" in said


def test_there_is_a_worker_for_each_core():
    assert default_workers() >= 1
