import copy

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.export.flatbuffer import (
    FileError,
    operator_name,
    parse_model,
    read_model,
    share_buffers,
    tensor_name,
    write_model,
)


def test_a_written_model_computes_what_it_should(
    hand_made, matrices, run_file, tmp_path
):
    path = tmp_path / "model.tflite"
    write_model(hand_made, path)
    x = np.random.default_rng(1).normal(size=(1, 40)).astype("float32")
    front, head = matrices
    np.testing.assert_allclose(
        run_file(path, x), x @ front.T @ head.T, rtol=1e-4, atol=1e-4
    )


def test_writing_and_reading_changes_nothing(hand_made, tmp_path):
    first, second = tmp_path / "first.tflite", tmp_path / "second.tflite"
    write_model(hand_made, first)
    write_model(read_model(first), second)
    assert first.read_bytes() == second.read_bytes()


def test_weights_start_at_aligned_addresses(hand_made, matrices, tmp_path):
    path = tmp_path / "model.tflite"
    write_model(hand_made, path)
    content = path.read_bytes()
    for matrix in matrices:
        assert content.index(matrix.tobytes()) % 16 == 0


def test_equal_constants_are_kept_once(hand_made, matrices, run_file, tmp_path):
    assert share_buffers(hand_made) == 0
    twin = schema.BufferT()
    twin.data = hand_made.buffers[1].data.copy()
    hand_made.buffers.append(twin)
    graph = hand_made.subgraphs[0]
    assert tensor_name(graph, 1) == "model/frontend_1/Const"
    twice, whole = tmp_path / "twice.tflite", tmp_path / "once.tflite"
    other = copy.copy(graph.tensors[1])
    other.buffer = len(hand_made.buffers) - 1
    graph.tensors.append(other)
    write_model(hand_made, twice)
    assert share_buffers(hand_made) == matrices[0].nbytes
    write_model(hand_made, whole)
    saved = twice.stat().st_size - whole.stat().st_size
    assert abs(saved - matrices[0].nbytes) < 64
    x = np.ones((1, 40), "float32")
    np.testing.assert_array_equal(run_file(whole, x), run_file(twice, x))


def test_names(hand_made):
    graph = hand_made.subgraphs[0]
    assert operator_name(hand_made, graph.operators[0]) == (
        "FULLY_CONNECTED",
        None,
    )
    assert tensor_name(graph, 3) == "model/head_1/kernel"
    code = hand_made.operatorCodes[0]
    code.builtinCode = schema.BuiltinOperator.CUSTOM
    code.deprecatedBuiltinCode = code.builtinCode
    code.customCode = b"FlexRoll"
    assert operator_name(hand_made, graph.operators[0]) == (
        "CUSTOM",
        "FlexRoll",
    )


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVEfmt ", b"x" * 5000])
def test_other_files_are_refused(content, tmp_path):
    path = tmp_path / "speech.tflite"
    path.write_bytes(content)
    with pytest.raises(FileError, match="not a .tflite file"):
        read_model(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read: No such file"):
        read_model(tmp_path / "none.tflite")


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_a_truncated_file_is_refused(share, hand_made, tmp_path):
    path = tmp_path / "model.tflite"
    write_model(hand_made, path)
    content = path.read_bytes()
    with pytest.raises(FileError, match="broken"):
        parse_model(content[: max(8, int(share * len(content)))])


def test_a_failed_write_leaves_the_old_file(hand_made, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(b"old")
    hand_made.subgraphs[0].tensors[0].name = 3.5  # cannot be packed
    with pytest.raises(TypeError):
        write_model(hand_made, path)
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
