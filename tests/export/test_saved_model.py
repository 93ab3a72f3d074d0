import importlib.util
import os
import subprocess
import sys

import numpy as np
import pytest

from keras_selfattn.export import beside_keras, saved_model
from keras_selfattn.export.child import ExportError, write_examples
from keras_selfattn.export.saved_model import export_saved_model
from keras_selfattn.export.verify import Agreement

LOAD = """
import sys
import numpy as np, tensorflow as tf
run = tf.saved_model.load(sys.argv[1]).signatures["transcribe"]
samples = np.load(sys.argv[2])
found = run(
    samples=tf.constant(samples),
    num_samples=tf.constant([samples.shape[1], 8000], tf.int32),
)
np.savez(sys.argv[3], **{name: value.numpy() for name, value in found.items()})
"""


def silent(line):
    pass


@pytest.mark.slow
def test_a_batch_runs_as_in_keras(task, tmp_path):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("a SavedModel needs TensorFlow")
    from keras_selfattn.decoding.ctc import emissions

    folder = tmp_path / "asr"
    lines = []
    assert export_saved_model(task, folder, lines.append) < 1e-4
    assert str(folder) in lines[-1]
    samples = np.random.default_rng(0).normal(scale=0.1, size=(2, 16001))
    samples = samples.astype("float32")
    np.save(tmp_path / "samples.npy", samples)
    subprocess.run(
        [
            sys.executable,
            "-c",
            LOAD,
            str(folder),
            str(tmp_path / "samples.npy"),
            str(tmp_path / "found.npz"),
        ],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        capture_output=True,
        check=True,
    )
    rows = task.frame_log_probabilities([samples[0], samples[1, :8000]])
    with np.load(tmp_path / "found.npz") as found:
        for i, wanted in enumerate(rows):
            frames = len(wanted)
            np.testing.assert_allclose(
                found["log_probabilities"][i, :frames], wanted, atol=1e-4
            )
            ids = found["token_ids"][i]
            assert (ids[:frames] == emissions(wanted.argmax(-1))).all()
            assert not ids[frames:].any()


@pytest.mark.slow
def test_a_text_classifier_is_saved_the_same_way(classifier, tmp_path):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("a SavedModel needs TensorFlow")
    assert export_saved_model(classifier, tmp_path / "text", silent) < 1e-4
    assert (tmp_path / "text" / "saved_model.pb").is_file()


def test_texts_need_their_operators(classifier, tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "tensorflow_text" else real(name),
    )
    monkeypatch.setattr(saved_model, "require_tensorflow", lambda: None)
    with pytest.raises(ImportError, match="keras-selfattn.tensorflow-text"):
        export_saved_model(classifier, tmp_path / "text", silent, text=True)
    assert list(tmp_path.iterdir()) == []


def test_refuses_a_folder_that_holds_something(task, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="is there already"):
        export_saved_model(task, tmp_path, silent)
    with pytest.raises(ValueError, match="parent folder"):
        export_saved_model(task, tmp_path / "a" / "b", silent)
    assert [entry.name for entry in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("difference", [0.5, float("nan")])
def test_a_model_that_differs_is_not_written(
    difference, task, tmp_path, monkeypatch
):
    def work(task, job, folder, examples, progress):
        write_examples(folder / saved_model.OUTPUTS_FILE, examples)

    monkeypatch.setattr(saved_model, "require_tensorflow", lambda: None)
    monkeypatch.setattr(saved_model, "run_worker", work)
    monkeypatch.setattr(
        beside_keras, "compare", lambda *_: Agreement(0, 1, difference)
    )
    with pytest.raises(ExportError, match="differ from the Keras"):
        export_saved_model(task, tmp_path / "asr", silent)
    assert list(tmp_path.iterdir()) == []
