import struct

import numpy as np
import pytest

from keras_selfattn.convert.ctranslate2 import read_ctranslate2
from tests.ctranslate2_file import content, variable

VALUES = {
    "encoder/weight": np.arange(6, dtype="float32").reshape(2, 3),
    "encoder/bias": np.array([0.5, -1.0], "float16"),
    "quantized": np.array([[[-128], [127]]], "int8"),
    "short": np.array([-300], "int16"),
    "scale": np.array(7, "int32"),  # rank 0
}


@pytest.fixture
def write(tmp_path):
    def write(data):
        (tmp_path / "model.bin").write_bytes(data)
        return tmp_path / "model.bin"

    return write


def test_reads_every_dtype_and_rank_and_aliases(write):
    path = write(content(VALUES, aliases=[("decoder/bias", "encoder/bias")]))
    for place in (path, path.parent):
        found = read_ctranslate2(place)
        assert list(found) == [*VALUES, "decoder/bias"]
        for name, expected in VALUES.items():
            assert found[name].dtype == expected.dtype
            assert found[name].shape == expected.shape
            np.testing.assert_array_equal(found[name], expected)
        assert found["decoder/bias"] is found["encoder/bias"]


def test_a_file_cut_short_anywhere_is_one_error(write):
    whole = content(VALUES, aliases=[("decoder/bias", "encoder/bias")])
    for length in range(len(whole)):
        with pytest.raises(ValueError, match=r"model.bin is cut short"):
            read_ctranslate2(write(whole[:length]))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (content(VALUES, version=5), "has CTranslate2 format 5, expected 6"),
        (b"RIFF" + bytes(100), "has CTranslate2 format 1179011410"),
        (
            content([variable("w", np.zeros((2, 3), "float32"), size=20)]),
            r"'w' \[2, 3\] float32 has 20 bytes",
        ),
        (
            content([variable("w", np.zeros(3, "int8"), code=9)]),
            "'w' has the unknown dtype 9",
        ),
        (
            content(VALUES, aliases=[("a", "b")]),
            "stands for 'b', not there",
        ),
        (
            content({})[:4] + struct.pack("<H", 2) + b"\xff\0",
            "is no name",
        ),
    ],
)
def test_what_does_not_fit_is_named(write, data, message):
    with pytest.raises(ValueError, match=message):
        read_ctranslate2(write(data))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="model.bin does not exist"):
        read_ctranslate2(tmp_path)
    with pytest.raises(ValueError, match="none.bin does not exist"):
        read_ctranslate2(tmp_path / "none.bin")
