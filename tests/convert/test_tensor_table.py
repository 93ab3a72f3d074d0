import numpy as np
import pytest

from keras_selfattn.convert.tensor_table import (
    Row,
    dense,
    give,
    norm,
    rows_of,
    take,
)

TABLE = (
    *dense("layer.{i}.lin", "block_{i}/dense"),
    *norm("norm", "norm"),
    Row("layer.{i}.qk", ("block_{i}/query", "block_{i}/key")),
)
SHAPES = {
    "norm/gamma": (2,),
    "norm/beta": (2,),
    **{
        f"block_{i}/{name}": shape
        for i in range(2)
        for name, shape in (
            ("dense/kernel", (2, 3)),
            ("dense/bias", (3,)),
            ("query", (2, 2)),
            ("key", (2, 1)),
        )
    },
}


def tensors():
    generator = np.random.default_rng(0)
    shapes = {"norm.weight": (2,), "norm.bias": (2,)}
    for i in range(2):
        shapes[f"layer.{i}.lin.weight"] = (3, 2)
        shapes[f"layer.{i}.lin.bias"] = (3,)
        shapes[f"layer.{i}.qk"] = (2, 3)
    return {
        name: generator.normal(size=shape).astype("float32")
        for name, shape in shapes.items()
    }


def test_arrays_are_turned_and_parted_and_come_back():
    theirs = tensors()
    rows = rows_of(TABLE, 2)
    ours = take(rows, theirs, SHAPES)
    assert {path: array.shape for path, array in ours.items()} == SHAPES
    np.testing.assert_array_equal(
        ours["block_1/dense/kernel"], theirs["layer.1.lin.weight"].T
    )
    np.testing.assert_array_equal(
        ours["block_1/key"], theirs["layer.1.qk"][:, 2:]
    )
    back = give(rows, ours)
    assert set(back) == set(theirs)
    for name, array in theirs.items():
        np.testing.assert_array_equal(back[name], array)


def test_all_that_does_not_fit_is_listed():
    theirs = tensors()
    del theirs["norm.bias"]
    theirs["extra.weight"] = theirs.pop("layer.0.lin.bias")
    theirs["layer.1.lin.weight"] = theirs["layer.1.lin.weight"][:2]
    theirs["layer.1.qk"] = theirs["layer.1.qk"].astype("int64")
    theirs["buffer.0"] = theirs["norm.weight"]
    with pytest.raises(ValueError) as error:
        take(rows_of(TABLE, 2), theirs, SHAPES, ["buffer.*"], "here")
    message = str(error.value)
    for part in (
        "here does not fit its architecture (5 tensors)",
        "missing norm.bias",
        "missing layer.0.lin.bias",
        "layer.1.lin.weight has shape (2, 2), the configuration says (3, 2)",
        "layer.1.qk is of int64",
        "left over extra.weight",
    ):
        assert part in message
    assert "buffer" not in message


def test_a_variable_without_a_row_is_no_silent_one():
    with pytest.raises(ValueError, match="no row for our other/kernel"):
        take(rows_of(TABLE, 2), tensors(), {**SHAPES, "other/kernel": (1,)})
    with pytest.raises(ValueError, match="no name for other/kernel"):
        give(rows_of(TABLE, 2), {"other/kernel": np.zeros(1)})
