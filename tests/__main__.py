"""Runs the suite on the three backends: `python -m tests [pytest options]`.

Each backend has a child process of its own, because Keras settles on one when
it is imported: everything on torch, and what is marked `backend` on JAX and on
TensorFlow, as many at a time as there are processors. Each line says whose it
is. The last lines are what failed, with its reason, and pytest's closing lines,
one per backend; the exit status is that of the first backend that failed.
"""

import importlib.util
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The one that takes longest comes first, so that it is not waited for last.
RUNS = {
    "jax": ["-m", "backend"],
    "torch": [],
    "tensorflow": ["-m", "backend"],
}
# What pytest's report is read for, to be repeated where it is looked for.
TELLING = ("E  ", "FAILED ", "ERROR ")
MOST_LINES = 80  # of them, each backend
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run(backend: str, options: list[str]) -> tuple[int, list[str]]:
    """Runs pytest once; returns its exit status and its closing lines."""
    command = [sys.executable, "-m", "pytest", *RUNS[backend], *options]
    if sys.stdout.isatty():
        command.append("--color=yes")
    child = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "KERAS_BACKEND": backend},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf8",
        errors="replace",
    )
    telling, closing = [], ""
    for line in child.stdout:
        print(f"{backend:10} | {line}", end="", flush=True)
        if COLOUR.sub("", line).startswith(TELLING):
            telling.append(line.rstrip())
        if line.strip():
            closing = line.rstrip()
    return child.wait(), [*telling[-MOST_LINES:], closing]


def main() -> int:
    """Runs every backend, then repeats what failed and the closing lines."""
    missing = [name for name in RUNS if not importlib.util.find_spec(name)]
    if missing:
        print(
            f"not installed: {', '.join(missing)}. The suite runs on all three "
            "backends: pip install -c constraints.txt "
            '-e ".[tensorflow,jax,torch,train,test]"',
            file=sys.stderr,
        )
        return 2
    with ThreadPoolExecutor(min(len(RUNS), os.cpu_count() or 1)) as pool:
        results = list(pool.map(lambda name: run(name, sys.argv[1:]), RUNS))
    print()
    for backend, (_, lines) in zip(RUNS, results):
        for line in lines:
            print(f"{backend:10} | {line}")
    return next((status for status, _ in results if status), 0)


if __name__ == "__main__":
    sys.exit(main())
