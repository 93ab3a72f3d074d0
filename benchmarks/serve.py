r"""Loads the HTTP service from this machine and watches it.

    python benchmarks/serve.py --json benchmarks/results/serve.json

First 32 clients ask for a minute, each a recording, a line to translate and a
text to classify in turn, over one connection; every answer but 200 and 429 is
an error. After each second the resident memory of the service's processes is
read; it is flat where the median of the last quarter of the readings, after
`--warm-up` seconds, is at most `--most-mib` above that of the first. Then each
kind alone, for a few seconds each, against services with one worker or one for
each core, which are given one request at a time or up to eight; and recordings
without HTTP, by threads and by processes. The clients take turns with the
service for the same cores. Traffic goes to 127.0.0.1 only
and ends by itself. The exit code is 1 where there was an error or memory grew.
"""

import asyncio
import contextlib
import json
import os
import shlex
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Annotated

import typer
from stream_memory import growth

from keras_selfattn import zoo
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.measuring import machine
from keras_selfattn.serve.pool import Pool
from keras_selfattn.serve.served_models import open_models
from keras_selfattn.serve.settings import Settings
from keras_selfattn.serve.worker import Answerer

HOST = "127.0.0.1"
START_SECONDS = 60
KINDS = ("transcription", "translation", "classification")
LINES = (
    "我喜欢猫。",
    "一只狗在草地上跑。",
    "请打开文件。",
    "他昨天没有来上课。",
)
TEXTS = (
    "a film to fall in love with",
    "dull and long",
    "never again will i watch a film of this man",
    "so funny that it hurts",
)


class BenchmarkError(RuntimeError):
    """The service did not start, or did not answer as it should."""


def requests(kind: str) -> list[bytes]:
    """Requests of a kind, as the bytes that go over the wire."""
    if kind == "transcription":
        sample = (zoo.resolve("asr") / "sample.wav").read_bytes()
        edge = b"--part\r\nContent-Disposition: form-data; "
        body = edge + b'name="model"\r\n\r\nasr\r\n'
        body += edge + b'name="file"; filename="a.wav"\r\n\r\n' + sample
        body += b"\r\n--part--\r\n"
        media = "multipart/form-data; boundary=part"
        return [_request("/v1/audio/transcriptions", media, body)]
    path, name, texts = {
        "translation": ("/v1/translate", "q", LINES),
        "classification": ("/v1/classify", "input", TEXTS),
    }[kind]
    bodies = [json.dumps({name: text}).encode() for text in texts]
    return [_request(path, "application/json", body) for body in bodies]


def _request(path, media, body):
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: {media}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _answer(reader, writer, request):
    """The status of an answer; its body is read and let go."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").lower().split("\r\n")
    length = next(
        int(line.split(":")[1])
        for line in lines
        if line[:15] == "content-length:"
    )
    await reader.readexactly(length)
    return int(lines[0].split()[1])


async def _client(port, asked, until, found):
    """Asks one request after the other until it is time."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        i = 0
        while time.monotonic() < until:
            kind, request = asked[i % len(asked)]
            begun = time.monotonic()
            status = await _answer(reader, writer, request)
            found.append((kind, status, time.monotonic() - begun))
            if status == 429:  # as the answer asks for, about
                await asyncio.sleep(0.5)
            i += 1
    finally:
        writer.close()


async def _load(port, kinds, clients, seconds, watch=None):
    alike = {kind: requests(kind) for kind in kinds}
    found, until = [], time.monotonic() + seconds

    def asked(i):
        """The requests of a client: the kinds in turn, its own texts."""
        return [
            (kind, alike[kind][(i + turn) % len(alike[kind])])
            for turn in range(4)
            for kind in kinds
        ]

    tasks = [_client(port, asked(i), until, found) for i in range(clients)]
    if watch is not None:
        tasks.append(watch(until))
    async with asyncio.timeout(seconds + 120):
        await asyncio.gather(*tasks)
    return found


def summary(found: list, seconds: float) -> dict:
    """What became of the requests: counts, rate, and times.

    Args:
        found: list of (kind, status, seconds that it took).
        seconds: float, how long they were sent for.
    """
    times = sorted(s for _, status, s in found if status == 200)
    if len(times) < 2:
        raise BenchmarkError(f"only {len(times)} requests were answered.")
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    statuses = Counter(str(status) for _, status, _ in found)
    return {
        "statuses": dict(sorted(statuses.items())),
        "requests_a_second": len(times) / seconds,
        "p50_ms": 1000 * cuts[49],
        "p95_ms": 1000 * cuts[94],
    }


def resident_bytes(process_id: int) -> int:
    """The memory of a process and of its children in RAM (Linux)."""
    total = 0
    for name in [process_id, *children(process_id)]:
        with contextlib.suppress(FileNotFoundError):
            pages = Path(f"/proc/{name}/statm").read_text().split()[1]
            total += int(pages) * os.sysconf("SC_PAGE_SIZE")
    return total


def children(process_id: int) -> list[int]:
    """The ids of a process's children (Linux)."""
    paths = Path(f"/proc/{process_id}/task").glob("*/children")
    return [int(name) for path in paths for name in path.read_text().split()]


@contextlib.contextmanager
def service(workers: int, batch_size: int):
    """A service with the default presets: its process, and its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "keras_selfattn.cli", "serve", "--port", "0"]
        + ["--workers", str(workers), "--batch-size", str(batch_size)],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stderr.readline()
        if not line.startswith("http://"):
            raise BenchmarkError(f"the service did not start: {line}")
        yield process, int(line.rstrip("/\n").rpartition(":")[2])
        process.send_signal(signal.SIGTERM)
        if process.wait(START_SECONDS):
            raise BenchmarkError(f"it ended with {process.returncode}.")
    finally:
        process.kill()
        process.communicate()


def minute(clients, seconds, workers, batch_size):
    """All kinds at once; memory after each second."""
    readings = []
    with service(workers, batch_size) as (process, port):

        async def watch(until):
            while time.monotonic() < until:
                readings.append(resident_bytes(process.pid))
                await asyncio.sleep(1)

        found = asyncio.run(_load(port, KINDS, clients, seconds, watch))
    kinds = {
        kind: summary([f for f in found if f[0] == kind], seconds)
        for kind in KINDS
    }
    whole = summary(found, seconds)
    return {**whole, "kinds": kinds, "resident_bytes": readings}


def compare(clients, seconds, systems):
    """Each kind alone, against each service: kind -> name -> summary."""
    compared = {kind: {} for kind in KINDS}
    for name, (workers, batch_size) in systems.items():
        with service(workers, batch_size) as (_, port):
            for kind in KINDS:
                asyncio.run(_load(port, [kind], clients, seconds / 5))
                found = asyncio.run(_load(port, [kind], clients, seconds))
                compared[kind][name] = summary(found, seconds)
    return compared


def without_http(seconds: float, workers: int) -> dict:
    """Recordings a second without HTTP: workers as threads, as processes."""
    models = open_models(["asr"])
    path = str(zoo.resolve("asr") / "sample.wav")
    done = Counter()

    def thread():
        answerer = Answerer(models)
        answerer.open_all()
        ready.wait()
        while time.monotonic() < until:
            answerer.answer("asr", {"path": path})
            done["threads"] += 1

    ready = threading.Barrier(workers + 1)
    until = time.monotonic() + START_SECONDS
    threads = [threading.Thread(target=thread) for _ in range(workers)]
    for one in threads:
        one.start()
    ready.wait()
    until = time.monotonic() + seconds
    for one in threads:
        one.join()
    pool = Pool(models, Settings(workers=workers, queue_size=10**6))
    pool.start()
    waiting = deque()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        while len(waiting) < 4 * workers:
            waiting.append(pool.submit("asr", {"path": path}, 1))
        waiting.popleft().result()
        done["processes"] += 1
    pool.close()
    return {name: count / seconds for name, count in done.items()}


def main(
    clients: Annotated[int, typer.Option(min=1, max=256)] = 32,
    seconds: Annotated[float, typer.Option(min=2, max=600)] = 60.0,
    each_seconds: Annotated[float, typer.Option(min=1, max=60)] = 5.0,
    workers: Annotated[int, typer.Option(min=1)] = len(os.sched_getaffinity(0)),
    batch_size: Annotated[int, typer.Option(min=2)] = 8,
    warm_up: Annotated[float, typer.Option(min=0)] = 10.0,
    most_mib: Annotated[float, typer.Option(min=0)] = 10.0,
    out: Annotated[
        Path | None, typer.Option("--json", help="Where figures are kept.")
    ] = None,
) -> None:
    """Loads the service and prints what it answered, how fast."""
    systems = {
        "one worker, one at a time": (1, 1),
        f"one worker, up to {batch_size}": (1, batch_size),
        f"{workers} workers, one at a time": (workers, 1),
        f"{workers} workers, up to {batch_size}": (workers, batch_size),
    }
    whole = minute(clients, seconds, workers, batch_size)
    after = whole["resident_bytes"][int(warm_up) :] or whole["resident_bytes"]
    whole["growth_bytes"] = growth(after)
    result = {
        "machine": machine(),
        "load_before": os.getloadavg()[0],
        "clients": clients,
        "seconds": seconds,
        "each_seconds": each_seconds,
        "minute": whole,
        "without_http": without_http(each_seconds, workers),
        "compared": compare(clients, each_seconds, systems),
        "command": shlex.join(["python", "benchmarks/serve.py", *sys.argv[1:]]),
    }
    text = json.dumps(result, indent=2) + "\n"
    if out is not None:
        write_atomically(out, text)
    print(text, end="")
    wrong = {
        s: n for s, n in whole["statuses"].items() if s not in ("200", "429")
    }
    if wrong or whole["growth_bytes"] > most_mib * 2**20:
        print(
            f"errors: {wrong}, growth: {whole['growth_bytes']}", file=sys.stderr
        )
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
