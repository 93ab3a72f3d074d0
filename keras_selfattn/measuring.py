"""Time and memory of a process, and children to measure in.

A benchmark gives each measurement a process of its own, so that nothing that
was allocated or compiled before counts; and it lets processes that are
compared take turns (A B A B), so that a machine that is slower for a while is
slower for all of them. Standard library only.
"""

import contextlib
import ctypes
import gc
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BACKEND_THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


class ChildError(RuntimeError):
    """A child process that failed or ended; says what it said last."""


def machine():
    """Name of this machine's processor, its cores and its system."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf8")
        found = re.search(r"model name\s*:\s*(.+)", text)
    except OSError:
        found = None
    name = found[1] if found else platform.processor() or platform.machine()
    return f"{name.strip()}, {os.cpu_count()} cores, {platform.system()}"


def spread(seconds):
    """Median and quartiles of repetitions, in seconds.

    Returns:
        dict of "median_s", "low_s" and "high_s" (the quartiles; with fewer
        than four repetitions the extremes) and "repetitions".
    """
    ranked = sorted(seconds)
    low, high = ranked[0], ranked[-1]
    if len(ranked) >= 4:
        low, _, high = statistics.quantiles(ranked, n=4, method="inclusive")
    return {
        "median_s": statistics.median(ranked),
        "low_s": low,
        "high_s": high,
        "repetitions": len(ranked),
    }


def take_turns(run, systems, budget):
    """Runs systems in turns: A B C, then C B A, and so on.

    Args:
        run: function of a system's name; one repetition, returns its seconds.
        systems: iterable of str.
        budget: dict of "cell_seconds", after which no turn is begun, and of
            "least_turns" and "most_turns".

    Returns:
        dict of a system to the seconds of its repetitions, in order.
    """
    seconds = {name: [] for name in systems}
    order = list(seconds)
    start = time.monotonic()
    for turn in range(budget["most_turns"]):
        spent = time.monotonic() - start
        if turn >= budget["least_turns"] and spent > budget["cell_seconds"]:
            break
        for name in order if turn % 2 == 0 else order[::-1]:
            seconds[name].append(run(name))
    return seconds


def resident_bytes():
    """Memory that this process has now, in bytes."""
    return _status("VmRSS") or _usage()


def peak_bytes():
    """The most memory this process had, since `reset_peak` where that works.

    On Linux from /proc: `ru_maxrss` there starts from the parent's size.
    """
    return _status("VmHWM") or _usage()


def reset_peak():
    """Let `peak_bytes` start anew; returns whether this system can."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        return True
    return False


def release():
    """Give memory that was freed back to the system, where glibc keeps it.

    What a step needs is seen only if it has to ask the system for it.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def _status(field):
    with contextlib.suppress(OSError, AttributeError):
        text = Path("/proc/self/status").read_text(encoding="ascii")
        found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
        return int(found[1]) * 1024
    return None


def _usage():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


class Child:
    """A Python script that answers one request after another; see `serve`.

    Args:
        script: path of the script.
        environment: dict of variables to set in the child, or None.
        threads: int, threads its backend may use.
        cpus: set of int, processors it stays on, or None.

    Example:
        >>> with Child("systems.py", {"KERAS_BACKEND": "jax"}) as child:
        ...     child.ask(do="time", length=128)
        {"seconds": 0.0031}
    """

    def __init__(self, script, environment=None, threads=1, cpus=None):
        home = str(Path(__file__).resolve().parents[1])
        paths = [home, os.environ.get("PYTHONPATH", "")]
        variables = {
            **os.environ,
            **dict.fromkeys(BACKEND_THREADS, str(threads)),
            "TF_CPP_MIN_LOG_LEVEL": "3",
            "MPLBACKEND": "agg",
            "PYTHONPATH": os.pathsep.join(path for path in paths if path),
            **(environment or {}),
        }
        # Another allocator keeps what was freed, and peaks would not show.
        for name in ("LD_PRELOAD", "MALLOC_CONF"):
            variables.pop(name, None)
        self._errors = tempfile.TemporaryFile("w+", errors="replace")
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            encoding="utf8",
        )
        if cpus is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self._process.pid, cpus)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, **request):
        """Sends a request; waits for the reply, a dict.

        Raises:
            ChildError: the child raised (it goes on living), or ended.
        """
        self.send(**request)
        return self.receive()

    def send(self, **request):
        """Sends a request without waiting; `receive` gives its reply."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()

    def receive(self):
        """The reply to the oldest request that has none yet."""
        line = self._process.stdout.readline()
        if not line:
            status = self._process.wait()
            self._errors.seek(0)
            said = [s.strip() for s in self._errors.readlines() if s.strip()]
            reason = "out of memory?" if status == -9 else "it said nothing"
            raise ChildError(
                f"ended with status {status}: {said[-1] if said else reason}"
            )
        reply = json.loads(line)
        if "error" in reply:
            raise ChildError(reply["error"])
        return reply

    def close(self):
        """Ends the child; its work, if it is at some, is lost."""
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        self._errors.close()


def serve(handlers):
    """Answers a parent's `Child.ask` until the parent has gone.

    What is printed goes to stderr: stdout belongs to the replies.

    Args:
        handlers: dict of function; a request's "do" names the function, the
            rest are its arguments; it returns a dict that JSON can hold.
    """
    replies = os.fdopen(os.dup(1), "w", encoding="utf8")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            reply = handlers[request.pop("do")](**request)
        except Exception as error:  # the parent decides what it means
            first = (str(error).strip().splitlines() or [""])[0]
            reply = {"error": f"{type(error).__name__}: {first}"}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()
