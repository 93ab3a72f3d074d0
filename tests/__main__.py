"""Runs the suite on the three backends: `python -m tests [pytest options]`.

Each backend has a child process of its own, because Keras settles on one when
it is imported: everything on torch, then what is marked `backend` on JAX and
on TensorFlow. The last lines are pytest's closing lines, one per backend; the
exit status is that of the first run that failed.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNS = {
    "torch": [],
    "jax": ["-m", "backend"],
    "tensorflow": ["-m", "backend"],
}


def run(backend: str, options: list[str]) -> tuple[int, str]:
    """Runs pytest once; returns its exit status and its closing line."""
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
    closing = ""
    for line in child.stdout:
        print(line, end="", flush=True)
        if line.strip():
            closing = line.rstrip()
    return child.wait(), closing


def main() -> int:
    """Runs every backend, then repeats the closing lines."""
    missing = [name for name in RUNS if not importlib.util.find_spec(name)]
    if missing:
        print(
            f"not installed: {', '.join(missing)}. The suite runs on all three "
            "backends: pip install -c constraints.txt "
            '-e ".[tensorflow,jax,torch,train,test]"',
            file=sys.stderr,
        )
        return 2
    results = []
    for backend in RUNS:
        print(f"\n{backend}", flush=True)
        results.append(run(backend, sys.argv[1:]))
    print(f"\n{', '.join(RUNS)}:")
    for _, closing in results:
        print(closing)
    return next((status for status, _ in results if status), 0)


if __name__ == "__main__":
    sys.exit(main())
