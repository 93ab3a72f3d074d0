import importlib.util

import numpy as np
import pytest

from keras_selfattn.export.onnx import export_onnx


def silent(line):
    pass


@pytest.fixture
def runtime():
    for name in ("onnx", "tf2onnx", "tensorflow"):
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"ONNX files are made with {name}")
    return pytest.importorskip("onnxruntime", reason="it runs ONNX files")


@pytest.mark.slow
def test_a_batch_of_speech_runs_as_in_keras(task, runtime, tmp_path):
    lines = []
    assert export_onnx(task, tmp_path / "asr.onnx", lines.append) < 1e-3
    assert "asr.onnx: written" in lines[-1]
    session = runtime.InferenceSession(tmp_path / "asr.onnx")
    samples = np.random.default_rng(0).normal(scale=0.1, size=(2, 16001))
    lengths = np.array([16001, 8000], "int32")
    samples = samples.astype("float32")
    (found,) = session.run(
        ["log_probabilities"], {"samples": samples, "num_samples": lengths}
    )
    rows = task.frame_log_probabilities([samples[0], samples[1, :8000]])
    for row, wanted in zip(found, rows, strict=True):
        np.testing.assert_allclose(row[: len(wanted)], wanted, atol=1e-3)


@pytest.mark.slow
def test_a_classifier_keeps_its_names(classifier, runtime, tmp_path):
    path = tmp_path / "text.onnx"
    assert export_onnx(classifier, path, silent) < 1e-4
    session = runtime.InferenceSession(path)
    assert {x.name for x in session.get_inputs()} == {"token_ids", "ngram_ids"}
    names = {x.name for x in session.get_outputs()}
    assert names == {"log_probabilities", "attention_weights"}
    inputs = classifier.tokenizer.batch(["w1 w2 w3", "w9"])
    (found,) = session.run(["log_probabilities"], inputs)
    for text, row in zip(["w1 w2 w3", "w9"], found, strict=True):
        scores = classifier.classify(text).scores
        wanted = [scores[label] for label in classifier.labels]
        np.testing.assert_allclose(np.exp(row), wanted, atol=1e-5)


def test_what_is_missing_or_in_the_way_is_said(task, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="expected a file name"):
        export_onnx(task, tmp_path, silent)
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name in ("tf2onnx", "onnx") else real(name),
    )
    with pytest.raises(ImportError, match="onnx and tf2onnx.*selfattn.onnx"):
        export_onnx(task, tmp_path / "asr.onnx", silent)
