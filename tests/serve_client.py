"""What the tests of the service share: small models, a client, a process."""

import contextlib
import os
import re
import signal
import time
import wave
from io import BytesIO
from pathlib import Path

import numpy as np
from starlette.testclient import TestClient

from keras_selfattn.serve.app import create_app
from keras_selfattn.serve.served_models import open_models
from keras_selfattn.serve.settings import Settings
from tests.command_line import (
    GOLDEN,
    TINY,
    TINY_TEXT,
    TINY_TRANSLATION,
    command,
)

TINY_STREAM = GOLDEN / "tiny_stream"
PRESETS = (TINY, TINY_TRANSLATION, TINY_TEXT, TINY_STREAM)
TRANSCRIBE = "/v1/audio/transcriptions"
STREAM = "ws://127.0.0.1/v1/audio/stream?model=tiny_stream"
SAMPLE = next(TINY.glob("*.wav")).read_bytes()


def settings(**changes):
    """Settings of a small service that only the loopback reaches."""
    return Settings(**{"workers": 1, "batch_wait_ms": 0.0, **changes})


@contextlib.contextmanager
def running(folder=None, presets=PRESETS, **changes):
    """A client of a service in this process, with workers of its own."""
    app = create_app(open_models(presets), settings(**changes), folder)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        yield client


@contextlib.contextmanager
def stopped(process_ids):
    """Processes that stand still, as if they had long to compute."""
    for process_id in process_ids:
        os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        for process_id in process_ids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process_id, signal.SIGCONT)


def wait_until(condition, seconds=20):
    """Waits until a function gives something true, and returns it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "it did not come in time"
        time.sleep(0.02)
    return found


def figure(client, name):
    """The value of one of the service's figures, 0 where there is none yet."""
    text = client.get("/metrics").text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def wav(samples, rate_hz=16000):
    """Samples as the bytes of a WAV file."""
    out = BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate_hz)
        file.writeframes(pcm(samples))
    return out.getvalue()


def pcm(samples):
    """Float samples as 16-bit little-endian bytes."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


@contextlib.contextmanager
def child(*arguments, presets=PRESETS, env=None):
    """The command in a process of its own: the process, and its address."""
    named = [part for preset in presets for part in ("--preset", preset)]
    process = command("serve", "--port", 0, *named, *arguments, env=env)
    try:
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("http://"):
                break
        assert lines and lines[-1].startswith("http://"), lines
        yield process, lines[-1].strip().rstrip("/")
    finally:
        if process.poll() is None:
            process.kill()
            process.communicate()


def worker_ids(process):
    """The process ids of a service's workers (Linux)."""
    found = Path(f"/proc/{process.pid}/task").glob("*/children")
    children = [part for path in found for part in path.read_text().split()]
    return [
        int(part)
        for part in children
        if b"spawn_main" in Path(f"/proc/{part}/cmdline").read_bytes()
    ]
