import importlib.util
import json

import pytest

from keras_selfattn.export import worker
from keras_selfattn.export.child import ExportError, run_worker
from keras_selfattn.export.worker import main, rebuild


def silent(line):
    pass


@pytest.mark.slow
def test_the_child_says_what_it_stumbled_on(task, tmp_path, monkeypatch):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the worker runs TensorFlow")
    # Another architecture than the weights'.
    monkeypatch.setattr(task, "get_config", dict)
    job = {"kind": "litert", "quantize": "none"}
    with pytest.raises(ExportError, match="does not fit this model"):
        run_worker(task, job, tmp_path, progress=silent)
    assert not (tmp_path / worker.MODEL_FILE).exists()
    assert not (tmp_path / worker.RESULT_FILE).exists()


def test_rebuild_gives_the_same_model(task, tmp_path):
    import keras
    import numpy as np

    from keras_selfattn.tasks.task import save_weight_file

    save_weight_file(task, tmp_path / "weights.safetensors", "float32")
    job = {
        "module": type(task).__module__,
        "class_name": type(task).__name__,
        # as it comes through the file
        "config": json.loads(json.dumps(task.get_config())),
    }
    again = rebuild(job, tmp_path / "weights.safetensors")
    assert again.name == task.name
    for one, other in zip(task.weights, again.weights, strict=True):
        assert one.path == other.path
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(one.value),
            keras.ops.convert_to_numpy(other.value),
        )


def test_main_marks_the_reason_and_fails(tmp_path, capsys):
    with pytest.raises(FileNotFoundError):
        main(str(tmp_path))
    said = capsys.readouterr().err
    assert said.startswith("export failed: FileNotFoundError: ")
    assert list(tmp_path.iterdir()) == []
