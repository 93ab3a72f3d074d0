import numpy as np
import pytest

from keras_selfattn.export.flatbuffer import FileError, write_model
from keras_selfattn.export.metadata import MetadataError, append, read

FACTS = {"task": "SpeechRecognizer", "vocabulary": ["<blank>", "▁a", "é"]}


@pytest.fixture
def path(hand_made, tmp_path):
    path = tmp_path / "model.tflite"
    write_model(hand_made, path)
    return path


def test_what_is_appended_is_read(path):
    append(path, FACTS)
    assert read(path) == FACTS


def test_the_model_computes_as_before(path, run_file):
    x = np.random.default_rng(1).normal(size=(1, 40)).astype("float32")
    before = run_file(path, x)
    append(path, FACTS)
    np.testing.assert_array_equal(run_file(path, x), before)


def test_appending_again_replaces(path):
    append(path, {"note": "x" * 5000})
    size = path.stat().st_size
    append(path, FACTS)
    assert read(path) == FACTS
    assert path.stat().st_size < size - 4000
    assert b"xxxxxxxx" not in path.read_bytes()


def test_reading_is_the_runtime_s(path):
    with pytest.raises(MetadataError, match="no metadata named"):
        read(path)


@pytest.mark.parametrize("value", [{1, 2}, object()])
def test_values_that_are_no_json_leave_the_file_alone(value, path):
    before = path.read_bytes()
    with pytest.raises(TypeError):
        append(path, {"value": value})
    with pytest.raises(ValueError):
        append(path, {"value": float("nan")})
    assert path.read_bytes() == before


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "note.tflite"
    path.write_text("not a model")
    with pytest.raises(FileError, match="not a .tflite file"):
        append(path, FACTS)
    assert path.read_text() == "not a model"
