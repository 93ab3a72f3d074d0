import json
import subprocess
import sys

import numpy as np
import pytest

from keras_selfattn import __version__
from keras_selfattn.export import litert
from keras_selfattn.export.child import ExportError
from keras_selfattn.export.flatbuffer import read_model
from keras_selfattn.export.litert import describe, export_litert
from keras_selfattn.export.verify import Agreement, Report
from keras_selfattn.runtime.metadata import read
from keras_selfattn.runtime.transcriber import Transcriber


def silent(line):
    pass


def weights(path, layer):
    """Types (numbers) of the large constants whose operators are in `layer`."""
    model = read_model(path)
    graph = model.subgraphs[0]
    found = set()
    for operator in graph.operators:
        name = graph.tensors[operator.outputs[0]].name.decode()
        for i in operator.inputs:
            data = model.buffers[graph.tensors[i].buffer].data
            if i >= 0 and data is not None and len(data) >= 1024:
                if f"/{layer}_" in name or f"/{layer}/" in name:
                    found.add(graph.tensors[i].type)
    return found


@pytest.mark.backend
def test_a_float_file_emits_what_keras_emits_on_this_backend(exported):
    path, report, lines = exported("none")
    assert report.not_built_in == []
    assert report.equal == report.compared > 100
    assert report.max_abs_difference < 1e-4
    assert report.bytes == path.stat().st_size
    assert 0 < report.run_seconds < 10
    assert "frames emit what Keras emits" in lines[-1]
    assert lines[0] == "exporting none.tflite (quantize=none)"
    assert lines[-1] == str(report)


@pytest.mark.parametrize("length", [1600, 1601, 16000, 16001, 48123])
def test_every_length_runs(length, exported, task):
    ids, scores = Transcriber(exported("none")[0]).emissions(
        np.full(length, 0.01, "float32")
    )
    frames = int(task.output_lengths(length))
    assert ids.shape == (frames,)
    assert scores.shape == (frames, task.tokenizer.vocabulary_size)
    np.testing.assert_allclose(np.exp(scores).sum(-1), 1, rtol=1e-4)


def test_the_file_says_what_a_host_must_know(exported, task):
    assert read(exported("none")[0]) == {
        "format": 1,
        "task": "SpeechRecognizer",
        "name": task.name,
        "sampling_rate_hz": 16000,
        "vocabulary": task.tokenizer.vocabulary,
        "blank_id": 0,
        "frame_seconds": 0.04,
        "min_samples": 1600,
        "signature": "transcribe",
        "quantize": "none",
        "producer": f"keras_selfattn {__version__}",
    }


@pytest.mark.parametrize(
    "quantize, least, tolerance",
    [("float16", 0.98, 0.05), ("dynamic", 0.8, 1.0), ("int8", 0.7, 3.0)],
)
def test_a_quantised_file_is_smaller_and_nearly_the_same(
    quantize, least, tolerance, exported
):
    path, report, _ = exported(quantize)
    assert report.quantize == quantize == read(path)["quantize"]
    assert report.not_built_in == []
    assert report.bytes < exported("none")[1].bytes
    assert report.equal >= least * report.compared
    assert 0 < report.max_abs_difference < tolerance


@pytest.mark.parametrize("quantize", ["float16", "dynamic", "int8"])
def test_the_front_end_stays_float32(quantize, exported):
    path, _, _ = exported(quantize)
    float32 = weights(exported("none")[0], "frontend")
    assert len(float32) == 1
    assert weights(path, "frontend") == float32
    assert weights(path, "encoder") != float32


def test_weights_are_in_the_file_once(exported):
    model = read_model(exported("none")[0])
    large = [
        bytes(buffer.data)
        for buffer in model.buffers
        if buffer.data is not None and len(buffer.data) >= 1024
    ]
    assert len(large) == len(set(large)) > 10


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"quantize": "int4"}, "'int4' is unknown; use one of"),
        ({"quantize": "int8"}, "give representative="),
        ({"quantize": "int8", "representative": []}, "give representative="),
        ({"representative": [np.zeros(9)]}, "Leave it out"),
    ],
)
def test_arguments_out_of_range(arguments, said, task, tmp_path):
    path = tmp_path / "model.tflite"
    with pytest.raises(ValueError, match=said):
        export_litert(task, path, progress=silent, **arguments)
    assert not path.exists()


def test_refuses_a_place_it_cannot_write_to(task, tmp_path):
    for path in (tmp_path, tmp_path / "none" / "model.tflite"):
        with pytest.raises(ValueError, match="cannot be written"):
            export_litert(task, path, progress=silent)


def test_refuses_what_is_no_task(tmp_path):
    with pytest.raises(ValueError, match="received a dict"):
        export_litert({}, tmp_path / "model.tflite")


def test_a_failed_conversion_leaves_the_old_file(task, tmp_path, monkeypatch):
    def fail(*arguments):
        raise ExportError("no such layer")

    monkeypatch.setattr(litert, "run_worker", fail)
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    with pytest.raises(ExportError, match="no such layer"):
        export_litert(task, path, progress=silent)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    "quantize, difference, said",
    [
        ("none", 0.5, "differ from the Keras model's by 0.5"),
        ("dynamic", float("nan"), "not finite"),
        ("none", float("nan"), "not finite"),
    ],
)
def test_a_file_that_differs_is_not_written(
    quantize, difference, said, task, exported, tmp_path, monkeypatch
):
    made = exported("none")[0].read_bytes()

    def work(task, job, folder, examples, progress):
        (litert.Path(folder) / litert.MODEL_FILE).write_bytes(made)

    def differ(task, path):
        return Report(str(path), 1, quantize, max_abs_difference=difference)

    monkeypatch.setattr(litert, "run_worker", work)
    monkeypatch.setattr(litert, "verify_file", differ)
    path = tmp_path / "model.tflite"
    with pytest.raises(ExportError, match=said):
        export_litert(task, path, quantize, progress=silent)
    assert list(tmp_path.iterdir()) == []


def test_a_part_that_differs_is_refused():
    whole = {"equal": 9, "compared": 9, "max_abs_difference": 1e-6}

    def refuse(name, *found):
        parts = {name: Agreement(*found)}
        litert._refuse(Report("a", 1, "none", **whole, parts=parts))

    refuse("stream", 9, 9, 1e-6)
    for name, found, said in (
        ("stream", (9, 9, 0.5), "'stream'.*differ .* by 0.5"),
        ("stream", (9, 9, float("nan")), "'stream'.*not finite"),
        ("stream", (8, 9, 1e-6), "'stream': only 8 of 9"),
        ("encode", (1, 9, None), "'encode': only 1 of 9"),
    ):
        with pytest.raises(ExportError, match=said):
            refuse(name, *found)


def test_a_stream_is_in_the_same_file_and_calibrated_too(tmp_path):
    """In float32, see `test_streaming_transcriber`: that file is kept."""
    from keras_selfattn.export.probes import probe_waveforms
    from tests.tasks.test_streaming_graph import recognizer

    streaming = recognizer(chunk_frames=8)
    path = tmp_path / "stream.tflite"
    report = export_litert(
        streaming,
        path,
        "int8",
        representative=probe_waveforms(16000, 1600),
        progress=silent,
    )
    assert report.not_built_in == []
    stream = report.parts["stream"]
    assert stream.compared == report.compared > 100
    assert stream.equal >= 0.7 * stream.compared
    assert 0 < stream.max_abs_difference < 3
    about = read(path)["stream"]
    assert about["chunk_seconds"] == 0.32
    assert about["states"]["samples"] == {
        "shape": [1, 320],
        "dtype": "float32",
    }
    model = read_model(path)
    assert len(model.subgraphs) == 2
    large = [
        bytes(buffer.data)
        for buffer in model.buffers
        if buffer.data is not None and len(buffer.data) >= 1024
    ]
    assert len(large) == len(set(large)) > 3


@pytest.mark.parametrize("quantize", ["none", "dynamic"])
def test_a_text_classifier_leaves_by_the_same_way(
    quantize, classifier, tmp_path
):
    from keras_selfattn.runtime import Classifier

    path = tmp_path / "text.tflite"
    report = export_litert(classifier, path, quantize, progress=silent)
    assert report.not_built_in == []
    tables = sum(w.size for w in classifier.get_weights() if 200 < len(w) < 400)
    if quantize == "none":
        assert report.equal == report.compared >= 20
        assert report.max_abs_difference < 1e-4
        assert report.bytes > 4 * tables
    else:
        assert report.equal >= 0.9 * report.compared
        assert 0 < report.max_abs_difference < 0.5
    assert "texts get the label that Keras gives" in str(report)
    found = Classifier(path)
    assert found.labels == classifier.labels
    for text in ("w1 w2 w3 w2", "w7", "", "no such word", "w9 " * 700):
        one, other = found.classify(text), classifier.classify(text)
        tolerance = 1e-4 if quantize == "none" else 0.1
        for label, score in other.scores.items():
            assert one.scores[label] == pytest.approx(score, abs=tolerance)
        assert one.num_tokens == other.num_tokens
    tokens, weights = found.weights("w1 w2")
    assert tokens == ["w1", "w2"]
    assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_description_is_json(task):
    assert json.loads(json.dumps(describe(task, "none")))["blank_id"] == 0


def test_importing_the_export_loads_no_tensorflow():
    command = (
        "import sys, keras_selfattn.export.litert, "
        "keras_selfattn.export.saved_model; "
        "print('tensorflow' in sys.modules)"
    )
    said = subprocess.run(
        [sys.executable, "-c", command],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == "False"
