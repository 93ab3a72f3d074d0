"""Runs the suite on the three backends: `python -m tests [pytest options]`.

Each backend has child processes of its own, because Keras settles on one when
it is imported: everything on torch, and what is marked `backend` on JAX and on
TensorFlow. The test files of a backend are shared out among its processes, and
as many of them run at a time as there are processors. Each line says whose it
is. The last lines are what failed, with its reason, and pytest's closing lines,
one a process; the exit status is the highest of the processes'.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALL = {"jax": ["-m", "backend"], "torch": [], "tensorflow": ["-m", "backend"]}
# Those that take longest come first, so that none of them is waited for last.
RUNS = (
    ("jax", "1/2"),
    ("torch", "1/3"),
    ("jax", "2/2"),
    ("torch", "2/3"),
    ("torch", "3/3"),
    ("tensorflow", "1/2"),
    ("tensorflow", "2/2"),
)
# What pytest's report is read for, to be repeated where it is looked for.
TELLING = ("E  ", "FAILED ", "ERROR ")
MOST_LINES = 80  # of them, each process
NO_TEST = 5  # pytest's status where none was to be run
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def run(backend: str, part: str, options: list[str]) -> tuple[int, list[str]]:
    """Runs pytest once; returns its exit status and its closing lines."""
    command = [sys.executable, "-m", "pytest", *ALL[backend], "--part", part]
    command += options
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
    name = f"{backend} {part}"
    telling, closing = [], ""
    for line in child.stdout:
        print(f"{name:14} | {line}", end="", flush=True)
        if COLOUR.sub("", line).startswith(TELLING):
            telling.append(line.rstrip())
        if line.strip():
            closing = line.rstrip()
    return child.wait(), [
        f"{name:14} | {line}" for line in (*telling[-MOST_LINES:], closing)
    ]


def main() -> int:
    """Runs every backend, then repeats what failed and the closing lines."""
    missing = [name for name in ALL if not importlib.util.find_spec(name)]
    if missing:
        print(
            f"not installed: {', '.join(missing)}. The suite runs on all three "
            "backends: pip install -c constraints.txt "
            '-e ".[tensorflow,jax,torch,train,test]"',
            file=sys.stderr,
        )
        return 2
    compiled = tempfile.mkdtemp(prefix="compiled-")  # of JAX, for all its parts
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", compiled)
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            results = list(pool.map(lambda job: run(*job, sys.argv[1:]), RUNS))
    finally:
        shutil.rmtree(compiled, ignore_errors=True)
    print()
    for _, lines in results:
        print("\n".join(lines))
    # Where a file or two were asked for, most processes have nothing to do.
    statuses = {status for status, _ in results} - {NO_TEST}
    return max(statuses, default=NO_TEST)


if __name__ == "__main__":
    sys.exit(main())
