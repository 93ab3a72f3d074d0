import importlib.util
import os
import sys

import numpy as np
import pytest

from keras_selfattn.export import child
from keras_selfattn.export.child import (
    ExportError,
    read_examples,
    require_tensorflow,
    run_worker,
    show,
)

# Stands in for the interpreter that runs the worker: `-m module folder`.
SPEAK = """#!{python}
import json, os, sys
folder = sys.argv[-1]
{body}
"""


@pytest.fixture
def speak(tmp_path, monkeypatch):
    """Replaces the worker by a few lines of Python."""

    def replace(body):
        program = tmp_path / "interpreter"
        program.write_text(SPEAK.format(python=sys.executable, body=body))
        program.chmod(0o755)
        monkeypatch.setattr(child.sys, "executable", str(program))
        folder = tmp_path / "job"
        folder.mkdir()
        return folder

    return replace


def test_gives_job_weights_and_examples_and_brings_the_result(speak, task):
    folder = speak(
        "job = json.load(open('job.json'))\n"  # it runs in the folder
        "job['backend'] = os.environ['KERAS_BACKEND']\n"
        "job['arguments'] = sys.argv[1:]\n"
        "json.dump(job, open('result.json', 'w'))\n"
        "print('other words'); print('progress: half way')"
    )
    lines = []
    examples = [
        {"x": np.arange(3, dtype="float32"), "y": np.ones(1)},
        {"x": np.zeros(2, "float32"), "y": np.ones(2)},
    ]
    found = run_worker(task, {"kind": "test"}, folder, examples, lines.append)
    assert found["kind"] == "test"
    assert found["class_name"] == "SpeechRecognizer"
    assert found["module"] == "keras_selfattn.tasks.speech_recognizer"
    assert found["backend"] == "tensorflow"
    assert found["arguments"][1] == "keras_selfattn.export.worker"
    assert lines == ["half way"]
    found = read_examples(folder / "inputs.npz")
    assert [example["x"].tolist() for example in found] == [[0, 1, 2], [0, 0]]
    assert [example["y"].tolist() for example in found] == [[1], [1, 1]]


def test_examples_keep_their_order(tmp_path):
    examples = [{"x": np.full(1, i)} for i in range(12)]
    child.write_examples(tmp_path / "x.npz", examples)
    found = read_examples(tmp_path / "x.npz")
    assert [int(example["x"][0]) for example in found] == list(range(12))


def test_weights_go_over_exactly(speak, task):
    import keras
    from safetensors.numpy import load_file

    folder = speak("open('result.json', 'w').write('{}')")
    run_worker(task, {}, folder, progress=lambda line: None)
    tensors = load_file(folder / "weights.safetensors")
    for variable in task.weights:
        np.testing.assert_array_equal(
            tensors[variable.path],
            keras.ops.convert_to_numpy(variable.value),
        )


@pytest.mark.parametrize(
    "body, said",
    [
        ("sys.exit('noise\\nexport failed: no such layer\\nmore')", "no such"),
        ("sys.exit('Killed by the system')", "status 1: Killed by"),
        ("os.kill(os.getpid(), 9)", "status -9: it said nothing"),
    ],
)
def test_says_why_the_child_failed(body, said, speak, task):
    folder = speak(body)
    with pytest.raises(ExportError, match=said):
        run_worker(task, {}, folder, progress=lambda line: None)


def test_names_the_extra_where_tensorflow_is_missing(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "tensorflow" else find(name),
    )
    with pytest.raises(ImportError, match=r"keras-selfattn\[tensorflow\]"):
        require_tensorflow()


def test_progress_goes_to_stderr(capsys):
    show("half way")
    assert capsys.readouterr() == ("", "half way" + os.linesep)
