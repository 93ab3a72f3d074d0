"""Starts a script as several processes of this machine, and watches them.

Standard library only: what the processes are to each other they read from
their environment (`cluster.read_cluster`).
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import time

from keras_selfattn.training.cluster import free_ports

CHILD = "KERAS_SELFATTN_LAUNCHED"
_PR_SET_PDEATHSIG = 1


def is_launched(environ=None):
    """Whether `launch` started this process."""
    return CHILD in (os.environ if environ is None else environ)


def die_with_launcher():
    """Ends this process when its launcher does, however that ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != int(os.environ[CHILD]):
            sys.exit("The launcher is gone.")


def environments(number, environ=None):
    """What each of so many processes has in its environment: list of dict.

    Args:
        number: int >= 1.
        environ: dict that they share, default: `os.environ`.
    """
    environ = dict(os.environ if environ is None else environ)
    ports = free_ports(number)
    workers = [f"127.0.0.1:{port}" for port in ports]
    # Each process would take all cores for itself.
    threads = max(1, (os.cpu_count() or 1) // number)
    environ.setdefault("OMP_NUM_THREADS", str(threads))
    return [
        {
            **environ,
            CHILD: str(os.getpid()),
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(number),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(ports[0]),
            "TF_CONFIG": json.dumps(
                {
                    "cluster": {"worker": workers},
                    "task": {"type": "worker", "index": rank},
                }
            ),
        }
        for rank in range(number)
    ]


def launch(number, command, say, grace_seconds=10.0):
    """Runs a command as so many processes; if one fails, the others end.

    Args:
        number: int >= 1.
        command: list of str.
        say: function of a line of text.
        grace_seconds: float, how long the others may take to end by
            themselves, as they do by a named error, and then when asked to.

    Returns:
        int, 0 where all ended well, else 1.
    """
    children = [
        subprocess.Popen(command, env=environ)
        for environ in environments(number)
    ]
    try:
        while True:
            states = [child.poll() for child in children]
            failed = [i for i, state in enumerate(states) if state]
            if failed:
                # One that was killed is why the others then fail.
                first = min(failed, key=lambda i: (states[i] > 0, i))
                say(
                    f"error: process {first} of {number} "
                    f"{_how_it_ended(states[first])}; the others are stopped."
                )
                _wait(children, grace_seconds)
                return 1
            if all(state == 0 for state in states):
                return 0
            time.sleep(0.1)
    finally:
        _stop(children, grace_seconds)


def _how_it_ended(state):
    if state < 0:
        return f"was ended by {signal.Signals(-state).name}"
    return f"ended with status {state}"


def _wait(children, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if all(child.poll() is not None for child in children):
            return
        time.sleep(0.1)


def _stop(children, grace_seconds):
    for child in children:
        if child.poll() is None:
            child.terminate()
    _wait(children, grace_seconds)
    for child in children:
        if child.poll() is None:
            child.kill()
        child.wait()
