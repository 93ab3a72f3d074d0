import shutil
from pathlib import Path

import numpy as np
import pytest

from keras_selfattn.export import metadata
from keras_selfattn.runtime.model_file import (
    ModelError,
    ModelFile,
    model_path,
    read_metadata,
)

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "tiny_text"
NAMES = ["token_ids"], ["log_probabilities", "attention_weights"]


def test_a_source_is_a_file_or_a_preset_folder(tmp_path):
    file = TINY / "model.tflite"
    assert model_path(TINY) == model_path(str(file)) == file
    with pytest.raises(ModelError, match="does not exist"):
        model_path(tmp_path / "none")


def test_metadata_must_have_what_the_task_needs(tmp_path):
    path = Path(shutil.copy(TINY / "model.tflite", tmp_path))
    assert read_metadata(path, ["labels"], "x")["labels"] == ["bad", "good"]
    with pytest.raises(ModelError, match="is no ear: its metadata lacks ears"):
        read_metadata(path, ["labels", "ears"], "ear")
    metadata.append(path, {**metadata.read(path), "format": 9})
    with pytest.raises(ModelError, match="format 9"):
        read_metadata(path, [], "x")
    path.write_bytes(b"no model")
    with pytest.raises(ModelError, match="not a .tflite file"):
        read_metadata(path, [], "x")


def test_it_runs_an_example_of_any_length():
    model = ModelFile(TINY / "model.tflite", "classify", *NAMES)
    for length in (3, 1, 7, 3):
        found = model.run(token_ids=np.full(length, 2, "int32"))
        assert found["log_probabilities"].shape == (2,)
        assert found["attention_weights"].shape == (length,)


def test_another_file_than_expected_is_refused():
    path = TINY / "model.tflite"
    with pytest.raises(ModelError, match=r"takes \['token_ids'\] and gives"):
        ModelFile(path, "classify", ["samples"], NAMES[1])
    with pytest.raises(ModelError, match="translate"):
        ModelFile(path, "translate", *NAMES)
    with pytest.raises(ValueError, match="num_threads"):
        ModelFile(path, "classify", *NAMES, num_threads=0)


def test_what_cannot_be_run_is_explained():
    model = ModelFile(TINY / "model.tflite", "classify", *NAMES)
    with pytest.raises(ModelError, match="It was given 2 token_ids.*lint"):
        model.run(token_ids=np.zeros((2, 3, 4), "int32"))
