import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from keras_selfattn.training.averaging import average_weight_files


@pytest.fixture
def files(tmp_path):
    generator = np.random.default_rng(0)
    paths, tensors = [], []
    for i in range(3):
        tensors.append(
            {
                "a/kernel": generator.normal(size=(3, 4)).astype("float32"),
                "b/bias": generator.normal(size=5).astype("float16"),
            }
        )
        paths.append(tmp_path / f"{i}.safetensors")
        save_file(tensors[i], paths[i])
    return paths, tensors


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_is_the_mean_in_float64(files, tmp_path, dtype):
    paths, tensors = files
    out = tmp_path / "mean.safetensors"
    average_weight_files(paths, out, dtype)
    found = load_file(out)
    assert sorted(found) == ["a/kernel", "b/bias"]
    for name, value in found.items():
        stack = np.stack([t[name].astype("float64") for t in tensors])
        assert value.dtype == dtype
        np.testing.assert_array_equal(value, stack.mean(0).astype(dtype))


def test_one_file_gives_itself(files, tmp_path):
    paths, tensors = files
    average_weight_files(paths[:1], tmp_path / "mean.safetensors")
    found = load_file(tmp_path / "mean.safetensors")
    np.testing.assert_array_equal(found["a/kernel"], tensors[0]["a/kernel"])


def test_no_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one"):
        average_weight_files([], tmp_path / "mean.safetensors")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"a/kernel": np.zeros((3, 4), "float32")}, "b/bias: nothing and"),
        ({"a/kernel": np.zeros((4, 3), "float32")}, r"\(4, 3\) and \(3, 4\)"),
        (
            {
                "a/kernel": np.zeros((3, 4), "float32"),
                "b/bias": np.zeros(5, "float32"),
                "c": np.zeros(1, "float32"),
            },
            r"at c: \(1,\) and nothing",
        ),
        (
            {
                "a/kernel": np.full((3, 4), np.nan, "float32"),
                "b/bias": np.zeros(5, "float32"),
            },
            "mean of a/kernel holds NaN",
        ),
    ],
)
def test_other_tensors_are_named_and_nothing_is_written(
    files, tmp_path, other, message
):
    paths, _ = files
    save_file(other, paths[2])
    with pytest.raises(ValueError, match=message):
        average_weight_files(paths, tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()


def test_a_file_cut_short_is_named(files, tmp_path):
    paths, _ = files
    paths[1].write_bytes(paths[1].read_bytes()[:-8])
    with pytest.raises(ValueError, match="1.safetensors is not a readable"):
        average_weight_files(paths, tmp_path / "mean.safetensors")
    with pytest.raises(ValueError, match="no.safetensors is not a readable"):
        average_weight_files([tmp_path / "no.safetensors"], tmp_path / "m")
