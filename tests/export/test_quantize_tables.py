import copy

import numpy as np
import pytest

from keras_selfattn.export.flatbuffer import share_buffers, write_model
from keras_selfattn.export.lint import lint
from keras_selfattn.export.quantize import to_float16, to_int8
from keras_selfattn.export.quantize_tables import (
    tables_to_float16,
    tables_to_int8,
    untie_tables,
)

TABLE = np.random.default_rng(0).normal(size=(64, 32)).astype("float32")
TABLE[7] = 0
TABLE[8] *= 100  # a scale a row, not one for all
IDS = np.array([3, 0, 63, 7, 8], "int32")


@pytest.fixture
def gather():
    """A ModelT: `ids (5,)` -> rows of a table."""
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name, shape, buffer, kind):
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name.encode(), shape, buffer
        made.type = kind
        return made

    model = schema.ModelT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = (
        schema.BuiltinOperator.GATHER
    )
    code.version = 1
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT(), schema.BufferT()]
    model.buffers[1].data = TABLE.reshape(-1).view(np.uint8)
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("ids", [5], 0, schema.TensorType.INT32),
        tensor("embedding/table", [64, 32], 1, schema.TensorType.FLOAT32),
        tensor("embedding/rows", [5, 32], 0, schema.TensorType.FLOAT32),
    ]
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [1, 0], [2]
    operator.builtinOptionsType = schema.BuiltinOptions.GatherOptions
    operator.builtinOptions = schema.GatherOptionsT()
    graph.operators = [operator]
    graph.inputs, graph.outputs = [0], [2]
    model.subgraphs = [graph]
    return model


def test_rows_come_out_to_half_a_step(gather, run_file, tmp_path):
    path = tmp_path / "model.tflite"
    write_model(gather, path)
    whole = path.stat().st_size
    np.testing.assert_array_equal(run_file(path, IDS), TABLE[IDS])
    assert tables_to_int8(gather) == 1
    write_model(gather, path)
    assert path.stat().st_size < whole - 2.5 * TABLE.size
    assert lint(path) == []
    step = np.abs(TABLE[IDS]).max(1, keepdims=True) / 127
    found = run_file(path, IDS)
    assert (np.abs(found - TABLE[IDS]) <= 0.5001 * step).all()
    assert (found[3] == 0).all()
    assert (found != TABLE[IDS]).any()


def test_float16_rows_are_those_of_float16(gather, run_file, tmp_path):
    path = tmp_path / "model.tflite"
    assert tables_to_float16(gather) == 1
    write_model(gather, path)
    np.testing.assert_array_equal(
        run_file(path, IDS), TABLE[IDS].astype("float16")
    )


@pytest.fixture
def tied(gather):
    """A ModelT: `ids (5,)` -> rows of a table, times the table `(5, 64)`."""
    from ai_edge_litert import schema_py_generated as schema

    lone = copy.deepcopy(gather.subgraphs[0])  # gathers only
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = (
        schema.BuiltinOperator.FULLY_CONNECTED
    )
    code.version = 1
    gather.operatorCodes.append(code)
    graph = gather.subgraphs[0]
    scores = copy.deepcopy(graph.tensors[2])
    scores.name, scores.shape = b"output/scores", [5, 64]
    graph.tensors.append(scores)
    product = schema.OperatorT()
    product.opcodeIndex, product.inputs, product.outputs = 1, [2, 1, -1], [3]
    product.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    product.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators.append(product)
    graph.outputs = [3]
    gather.subgraphs.append(lone)
    return gather


@pytest.mark.parametrize(
    "changes, element_bytes, tolerance",
    [
        ((to_int8, tables_to_int8), 1, 0.02),
        ((to_float16, tables_to_float16), 2, 1e-3),
    ],
)
def test_a_table_that_is_multiplied_by_is_narrow_and_kept_once(
    tied, run_file, tmp_path, changes, element_bytes, tolerance
):
    assert sum(change(copy.deepcopy(tied)) for change in changes) == 0
    assert untie_tables(tied) == 1
    assert sum(change(tied) for change in changes) == 2
    assert share_buffers(tied) >= element_bytes * TABLE.size
    kept = sum(
        len(buffer.data) for buffer in tied.buffers if buffer.data is not None
    )
    assert kept < element_bytes * TABLE.size + 1_000
    path = tmp_path / "model.tflite"
    write_model(tied, path)
    assert lint(path) == []
    wanted = TABLE[IDS] @ TABLE.T
    apart = np.abs(run_file(path, IDS) - wanted).max()
    assert 0 < apart < tolerance * np.abs(wanted).max()


def test_what_stays_float(gather):
    assert tables_to_int8(gather, ["embedding"]) == 0
    graph = gather.subgraphs[0]
    graph.operators[0].inputs = [0, 1]  # the table as the indices
    assert tables_to_int8(gather) == tables_to_float16(gather) == 0


def test_weights_beyond_float16_are_refused(gather):
    values = TABLE.copy()
    values[0, 0] = 1e6
    gather.buffers[1].data = values.reshape(-1).view(np.uint8)
    with pytest.raises(ValueError, match="beyond float16"):
        tables_to_float16(gather)
