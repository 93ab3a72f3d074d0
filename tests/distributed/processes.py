"""Starting `tests.distributed.worker` as several processes, and reading it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from keras_selfattn.training.launch import CHILD, environments

ROOT = Path(__file__).resolve().parents[2]


def start(number, out, words, **environ):
    """So many processes of the worker, their outputs in OUT/RANK.txt.

    Args:
        number: int.
        out: folder.
        words: JSON-able; see the worker's `main`.
        **environ: more of the environment.

    Returns:
        list of Popen.
    """
    out.mkdir(parents=True, exist_ok=True)
    found = []
    for rank, around in enumerate(environments(number)):
        del around[CHILD]
        around |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **environ}
        with open(out / f"{rank}.txt", "w") as log:
            found.append(
                subprocess.Popen(
                    [
                        sys.executable,
                        "-m",
                        "tests.distributed.worker",
                        str(out),
                        json.dumps(words),
                    ],
                    cwd=ROOT,
                    env=around,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
    return found


def run(number, out, words, timeout=900, **environ):
    """Runs the worker and waits; all processes have to end well.

    Returns:
        list of str, what each printed.
    """
    children = start(number, out, words, **environ)
    try:
        states = [child.wait(timeout) for child in children]
    finally:
        for child in children:
            child.kill()
            child.wait()
    said = [(out / f"{rank}.txt").read_text() for rank in range(number)]
    assert states == [0] * number, said
    return said


def values(file):
    """What a worker's file holds: losses, skipped steps, weights by path."""
    with np.load(file) as data:
        found = {key: data[key] for key in data.files}
    return found.pop("losses"), int(found.pop("skipped")), found


def largest_difference(ours, theirs):
    """Over the float arrays of two dicts of the same keys."""
    assert ours.keys() == theirs.keys()
    return max(
        np.abs(ours[key].astype("float64") - theirs[key]).max()
        for key in ours
        if ours[key].dtype.kind == "f"
    )


def with_devices(number):
    """XLA_FLAGS for so many CPU devices, beside what is set."""
    flag = f"--xla_force_host_platform_device_count={number}"
    return f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
