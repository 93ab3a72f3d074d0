"""kill -9 at random moments: the run goes on to the losses of one that was not.

On torch the runs are forks of this process, so that a start costs nothing.
"""

import os
import random
import signal
import subprocess
import sys
import time

import keras
import pytest

from keras_selfattn.training.callbacks import read_rows
from tests.distributed.processes import ROOT
from tests.distributed.resuming import EPOCHS, resume

pytestmark = [pytest.mark.backend, pytest.mark.distributed]


def begin(out):
    """Starts the run, or what is left of it: its process id."""
    if keras.backend.backend() == "torch":
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                sys.stdout = open(os.devnull, "w")
                resume(out)
                status = 0
            finally:
                os._exit(status)
        return pid
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.distributed.resuming", str(out)]
    return subprocess.Popen(
        command, cwd=ROOT, env=environ, stdout=subprocess.DEVNULL
    ).pid


def wait(pid):
    """How a process ended: its status, or None while it runs."""
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def losses(out):
    return [
        (row["epoch"], row["batch"], row["loss"])
        for row in read_rows(out / "steps.jsonl")
    ]


def kill_and_resume(out, kills, seed):
    """Runs to the end; so many times it is killed on the way.

    Returns:
        int, how often it was killed; fewer where a run came to its end first.
    """
    draw, killed = random.Random(seed), 0
    log = out / "steps.jsonl"
    out.mkdir()
    while True:
        pid = begin(out)
        before = log.stat().st_size if log.exists() else 0
        # In its first steps, or in what is done before and after them.
        steps, pause = draw.randint(0, 3), draw.random() * 0.2
        seen, status = 0, wait(pid)
        while status is None and (killed == kills or seen < steps):
            size = log.stat().st_size if log.exists() else 0
            seen += size != before
            before = size
            time.sleep(0.002)
            status = wait(pid)
        if status is None:
            time.sleep(pause)
            os.kill(pid, signal.SIGKILL)
            _, ended = os.waitpid(pid, 0)
            status = os.waitstatus_to_exitcode(ended)
        if status == 0:
            return killed
        assert status == -signal.SIGKILL
        killed += 1


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    out = tmp_path_factory.mktemp("whole")
    pid = begin(out)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    found = losses(out)
    assert len(found) > 6 * EPOCHS
    return found


def killed_in_runs(folder, kills, uninterrupted):
    """As many kills, over as many runs as it takes: how many runs.

    A machine may be so quick that a run comes to its end between two kills.
    """
    killed, runs = 0, 0
    while killed < kills:
        assert runs < 3 * kills, f"{killed} kills in {runs} runs"
        runs += 1
        out = folder / str(runs)
        killed += kill_and_resume(out, min(4, kills - killed), seed=runs)
        assert losses(out) == uninterrupted, f"seed {runs}"
    return runs


def test_three_kills_leave_no_trace(uninterrupted, tmp_path):
    if keras.backend.backend() != "torch":
        pytest.skip("each start takes seconds here; see the proof")
    killed_in_runs(tmp_path, 3, uninterrupted)


@pytest.mark.proof
def test_twenty_kills_leave_no_trace(uninterrupted, tmp_path):
    print(f"{killed_in_runs(tmp_path, 20, uninterrupted)} runs")
