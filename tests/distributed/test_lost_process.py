"""A process that is killed: the others stop, and say why."""

import os
import signal
import time

import pytest

from tests.distributed import processes

pytestmark = [
    pytest.mark.backend,
    pytest.mark.distributed,
    pytest.mark.slow,
]


@pytest.mark.parametrize("lost", [1, pytest.param(0, marks=pytest.mark.proof)])
def test_the_other_stops_within_a_minute_and_names_it(tmp_path, lost):
    children = processes.start(2, tmp_path, {"jobs": [], "endless": True})
    logs = [tmp_path / f"{rank}.txt" for rank in range(2)]
    try:
        end = time.monotonic() + 240
        while not all("trains" in log.read_text() for log in logs):
            assert time.monotonic() < end, [log.read_text() for log in logs]
            assert all(child.poll() is None for child in children), [
                log.read_text() for log in logs
            ]
            time.sleep(0.2)
        os.kill(children[lost].pid, signal.SIGKILL)
        state = children[1 - lost].wait(timeout=60)
    finally:
        for child in children:
            child.kill()
            child.wait()
    assert state not in (0, -signal.SIGKILL)
    said = logs[1 - lost].read_text()
    assert NAMED[lost] in said or f"Process {1 - lost} of 2 lost" in said, said


# JAX's coordinator is in process 0: who loses it is ended by JAX's own client.
NAMED = {0: "JAX distributed service", 1: "Process 0 of 2 lost another process"}
