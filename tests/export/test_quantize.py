import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.export.flatbuffer import read_model, write_model
from keras_selfattn.export.quantize import (
    in_layer,
    predicted_bytes,
    to_float16,
    to_int8,
)

X = np.random.default_rng(1).normal(size=(1, 40)).astype("float32")


def types(model):
    return [tensor.type for tensor in model.subgraphs[0].tensors]


@pytest.mark.parametrize(
    "name, inside",
    [
        ("model_1/frontend_1/MatMul", True),
        ("frontend/MatMul", True),
        ("model/add;model/frontend/Square", True),
        ("model/frontend_norm/mul", False),
        ("model/my_frontend/mul", False),
    ],
)
def test_in_layer(name, inside):
    assert in_layer([name], "frontend") is inside


def test_int8_changes_all_but_the_layers_kept(hand_made):
    assert to_int8(hand_made, ["frontend"]) == 1
    kinds = types(hand_made)
    assert kinds[1] == schema.TensorType.FLOAT32
    assert kinds[3] == schema.TensorType.INT8
    assert to_int8(hand_made) == 1  # now the front end too, head is done


def test_int8_is_scaled_for_each_output_channel(hand_made, matrices):
    to_int8(hand_made, ["frontend"])
    head = matrices[1]
    tensor = hand_made.subgraphs[0].tensors[3]
    scale = np.abs(head).max(axis=1) / 127
    np.testing.assert_allclose(tensor.quantization.scale, scale, rtol=1e-6)
    whole = hand_made.buffers[2].data.view("int8").reshape(head.shape)
    assert np.abs(whole).max(axis=1).tolist() == [127] * len(head)
    error = np.abs(whole * scale[:, None] - head)
    assert (error <= scale[:, None] * 0.5001).all()


@pytest.mark.parametrize(
    "quantize, change", [("float16", to_float16), ("dynamic", to_int8)]
)
def test_sizes_are_as_predicted(quantize, change, hand_made, tmp_path):
    path = tmp_path / "model.tflite"
    write_model(hand_made, path)
    size = path.stat().st_size
    assert predicted_bytes(size, hand_made, "none") == size
    kept = predicted_bytes(size, hand_made, quantize, ["frontend"])
    # The head has 32 x 48 weights.
    saved = {"float16": 2 * 32 * 48, "dynamic": 3 * 32 * 48 - 32 * 12}
    assert size - kept == saved[quantize]
    both = predicted_bytes(size, hand_made, quantize)
    assert predicted_bytes(size, hand_made, "int8") <= both < kept
    change(hand_made)
    write_model(hand_made, path)
    assert abs(path.stat().st_size - both) < 1000


@pytest.mark.parametrize(
    "change, tolerance", [(to_int8, 0.05), (to_float16, 2e-3)]
)
def test_the_runtime_computes_nearly_the_same(
    change, tolerance, hand_made, matrices, run_file, tmp_path
):
    whole, small = tmp_path / "whole.tflite", tmp_path / "small.tflite"
    write_model(hand_made, whole)
    assert change(hand_made) == 2
    write_model(hand_made, small)
    wanted = X @ matrices[0].T @ matrices[1].T
    found = run_file(small, X)
    error = np.abs(found - wanted).max() / np.abs(wanted).max()
    assert 1e-6 < error < tolerance
    assert small.stat().st_size < 0.8 * whole.stat().st_size


def test_float16_leaves_kept_layers_exact(hand_made, run_file, tmp_path):
    to_float16(hand_made, ["frontend", "head"])
    assert set(types(hand_made)) == {schema.TensorType.FLOAT32}
    to_float16(hand_made, ["frontend"])
    path = tmp_path / "model.tflite"
    write_model(hand_made, path)
    kinds = types(read_model(path))
    assert kinds[1] == schema.TensorType.FLOAT32
    assert kinds[3] == schema.TensorType.FLOAT16
    assert np.isfinite(run_file(path, X)).all()


def test_float16_refuses_what_it_cannot_hold(hand_made, matrices):
    beyond = matrices[0].copy()
    beyond[0, 0] = 1e6
    hand_made.buffers[1].data = beyond.reshape(-1).view(np.uint8)
    with pytest.raises(ValueError, match="model/frontend_1/Const.*float16"):
        to_float16(hand_made)


def test_a_weight_with_another_use_stays(hand_made):
    graph = hand_made.subgraphs[0]
    graph.outputs = [4, 3]  # the weights are read as numbers, too
    assert to_int8(hand_made) == 1
    assert types(hand_made)[3] == schema.TensorType.FLOAT32


def test_a_weight_shared_with_a_kept_layer_stays(hand_made):
    graph = hand_made.subgraphs[0]
    square = np.ones((40, 40), "float32").reshape(-1).view(np.uint8)
    hand_made.buffers[1].data = square
    for tensor in graph.tensors:
        tensor.shape = [1, 40]
    for i in (1, 3):
        graph.tensors[i].shape = [40, 40]
        graph.tensors[i].buffer = 1
    assert to_int8(hand_made, ["frontend"]) == 0
    assert to_int8(hand_made) == 1
    assert types(hand_made)[1] == types(hand_made)[3] == schema.TensorType.INT8


def test_a_channel_of_zeros_stays_zero(hand_made, matrices, run_file, tmp_path):
    head = matrices[1].copy()
    head[5] = 0
    hand_made.buffers[2].data = head.reshape(-1).view(np.uint8)
    to_int8(hand_made)
    path = tmp_path / "model.tflite"
    write_model(hand_made, path)
    assert run_file(path, X)[0, 5] == 0
