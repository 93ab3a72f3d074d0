"""Runs the worker: a Python of its own with Keras on TensorFlow.

The converter exists for TensorFlow only, a process has one Keras backend, and
the converter keeps memory: so every export, from any backend, happens in a
child process that gets config and weights through a folder.
"""

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

JOB_FILE = "job.json"
WEIGHTS_FILE = "weights.safetensors"
INPUTS_FILE = "inputs.npz"
RESULT_FILE = "result.json"
ERROR_MARK = "export failed: "
PRINTED_MARK = "progress: "


class ExportError(ValueError):
    """An export that did not succeed; nothing was written."""


def require_tensorflow():
    """Raise ImportError, with the way to mend it, where TensorFlow is not."""
    if importlib.util.find_spec("tensorflow") is None:
        raise ImportError(
            "Export converts with TensorFlow, which is not installed here "
            "(the task itself may run on any backend). Install it: "
            "pip install 'keras-selfattn[tensorflow]'."
        )


def require_tensorflow_text():
    """Raise ImportError where the operators that read texts are missing."""
    if importlib.util.find_spec("tensorflow_text") is None:
        raise ImportError(
            "Signatures that take texts use operators of tensorflow-text, "
            "which is not installed here: pip install "
            "'keras-selfattn[tensorflow-text]'."
        )


def show(line):
    """Print a line of progress on stderr; the default of `progress`."""
    print(line, file=sys.stderr, flush=True)


def run_worker(task, job, folder, inputs=(), progress=show):
    """Rebuild `task` in a child process and let it do `job`.

    Args:
        task: a Task with weights, on any backend.
        job: dict of JSON-able values for `keras_selfattn.export.worker`.
        folder: path of an existing folder for what goes there and back.
        inputs: dicts of arrays without batch axis, examples that the job
            needs.
        progress: called with each line of progress.

    Returns:
        dict, what the worker found out.

    Raises:
        ExportError: the child failed; says what it said last.
    """
    from keras_selfattn.tasks.task import save_weight_file

    folder = Path(folder)
    job = {
        **job,
        "module": type(task).__module__,
        "class_name": type(task).__name__,
        "config": task.get_config(),
    }
    (folder / JOB_FILE).write_text(json.dumps(job), "utf-8")
    save_weight_file(task, folder / WEIGHTS_FILE, dtype="float32")
    write_examples(folder / INPUTS_FILE, inputs)
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        child = subprocess.Popen(
            [sys.executable, "-m", "keras_selfattn.export.worker", str(folder)],
            cwd=folder,
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        )
        try:
            for line in child.stdout:
                if line.startswith(PRINTED_MARK):
                    progress(line.removeprefix(PRINTED_MARK).rstrip())
            status = child.wait()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        if status:
            errors.seek(0)
            raise ExportError(_reason(errors.read().splitlines(), status))
    return json.loads((folder / RESULT_FILE).read_text("utf-8"))


def write_examples(path, examples):
    """Write dicts of arrays, whatever their lengths, as one .npz file."""
    np.savez(
        path,
        **{
            f"{i}/{name}": value
            for i, example in enumerate(examples)
            for name, value in example.items()
        },
    )


def read_examples(path):
    """Return the dicts of arrays that `write_examples` wrote."""
    examples = {}
    with np.load(path) as archive:
        for key in archive.files:
            number, name = key.split("/", 1)
            examples.setdefault(int(number), {})[name] = archive[key]
    return [examples[number] for number in sorted(examples)]


def _environment():
    package_home = str(Path(__file__).resolve().parents[2])
    paths = [package_home, os.environ.get("PYTHONPATH", "")]
    return {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "-1",  # tracing needs no accelerator
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
    }


def _reason(lines, status):
    lines = [line.strip() for line in lines if line.strip()]
    for line in lines:
        if line.startswith(ERROR_MARK):
            return line.removeprefix(ERROR_MARK)
    last = " / ".join(lines[-3:]) or "it said nothing"
    return f"The converting process ended with status {status}: {last}"
