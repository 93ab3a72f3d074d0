import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_selfattn.convert.safetensors_files import read_tensors

INDEX = "model.safetensors.index.json"
TENSORS = {
    "a": np.arange(6, dtype="float32").reshape(2, 3),
    "b": np.arange(4, dtype="float16"),
}


def shards(folder, names=("a", "b")):
    """Writes each tensor as a file of its own, and their index."""
    places = {}
    for name in names:
        places[name] = f"model-{name}.safetensors"
        save_file({name: TENSORS[name]}, folder / places[name])
    (folder / INDEX).write_text(json.dumps({"weight_map": places}))


def test_one_file_and_shards_are_read_alike(tmp_path):
    (tmp_path / "one").mkdir()
    save_file(TENSORS, tmp_path / "one" / "model.safetensors")
    shards(tmp_path)
    for found in (read_tensors(tmp_path / "one"), read_tensors(tmp_path)):
        assert set(found) == set(TENSORS)
        for name, array in TENSORS.items():
            np.testing.assert_array_equal(found[name], array)


def test_bfloat16_becomes_float32(tmp_path):
    values = np.array([[1.0, -2.5, 3.140625]], "float32")
    halves = (values.view("uint32") >> 16).astype("<u2").tobytes()
    entry = {"dtype": "BF16", "shape": [1, 3], "data_offsets": [0, 6]}
    header = json.dumps({"x": entry}).encode()
    (tmp_path / "model.safetensors").write_bytes(
        len(header).to_bytes(8, "little") + header + halves
    )
    found = read_tensors(tmp_path)["x"]
    np.testing.assert_array_equal(found, values)
    assert found.dtype == "float32"


def test_a_missing_shard_is_named(tmp_path):
    shards(tmp_path)
    (tmp_path / "model-b.safetensors").unlink()
    with pytest.raises(ValueError, match="lacks model-b.safetensors, 1 of the"):
        read_tensors(tmp_path)


def test_shards_of_another_model_are_seen(tmp_path):
    shards(tmp_path)
    save_file({"c": TENSORS["b"]}, tmp_path / "model-b.safetensors")
    with pytest.raises(ValueError, match="lack b, .* not of one model"):
        read_tensors(tmp_path)


@pytest.mark.parametrize("keep", [0, 5, 60, -1])
def test_a_file_cut_short_is_told(tmp_path, keep):
    path = tmp_path / "model.safetensors"
    save_file(TENSORS, path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="cut short or no safetensors file"):
        read_tensors(tmp_path)


def test_pickles_are_refused(tmp_path):
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80\x02.")
    with pytest.raises(
        ValueError, match="pytorch_model.bin .*Pickle files run"
    ):
        read_tensors(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(ValueError, match="holds neither model.safetensors"):
        read_tensors(tmp_path)


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "no index of shards"),
        ('{"weight_map": 3}', "no index of shards"),
        ('{"weight_map": {"a": "../a.safetensors"}}', "outside its folder"),
    ],
)
def test_a_wrong_index_is_told(tmp_path, text, message):
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(ValueError, match=message):
        read_tensors(tmp_path)
