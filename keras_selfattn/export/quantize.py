"""Smaller weights in a float .tflite file, front end left alone.

Why not the converter's own options: they take the front end along. A DFT in
int8 costs one token in twenty, and in float16 even scalars are rounded: an
energy floor of 1e-10 becomes 0, and its logarithm infinite. Here only the
matrices and convolution kernels of named operators change; which layers stay
is said by name.
"""

import re
from collections import defaultdict
from typing import NamedTuple

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.export.flatbuffer import operator_name, tensor_name

# Operator -> axis of its output channels in the weights (its second input).
CHANNEL_AXIS = {"FULLY_CONNECTED": 0, "CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}
# The version of an operator that takes float32 activations and int8 weights
# with a scale for each channel. Depthwise kernels are small: they stay.
DYNAMIC_VERSION = {"FULLY_CONNECTED": 12, "CONV_2D": 5}
MIN_ELEMENTS = 1024


def in_layer(names, layer):
    """Whether one of the tensor names lies in a layer (`frontend`)."""
    # Keras numbers repeated scopes: frontend_1.
    pattern = rf"(^|[/;]){re.escape(layer)}(_\d+)?(/|;|$)"
    return any(re.search(pattern, name) for name in names)


class _Use(NamedTuple):
    """One operator that takes a weight tensor as its second input."""

    graph: object
    tensor: int
    operator: object
    name: str


def to_int8(model, keep_layers=()):
    """Make weights int8, a scale for each output channel; in place.

    Activations stay float32 and are quantised as they come, row by row
    ("dynamic range"): no recordings are needed. `w = scale * q`, with
    `scale = max|w| / 127` over a channel.

    Args:
        model: ModelT of a float file.
        keep_layers: names of layers that stay float32.

    Returns:
        int, how many weights changed.
    """
    weights = _weights(model, keep_layers, DYNAMIC_VERSION)
    for buffer, uses in weights.items():
        axis = CHANNEL_AXIS[uses[0].name]
        values = _values(model, uses[0])
        others = tuple(i for i in range(values.ndim) if i != axis)
        scale = np.abs(values).max(axis=others, keepdims=True) / 127
        scale = np.where(scale == 0, 1, scale).astype("float32")
        rounded = np.clip(np.rint(values / scale), -127, 127).astype("int8")
        model.buffers[buffer].data = rounded.reshape(-1).view(np.uint8)
        for use in uses:
            parameters = schema.QuantizationParametersT()
            parameters.scale = scale.reshape(-1)
            parameters.zeroPoint = np.zeros(scale.size, np.int64)
            parameters.quantizedDimension = axis
            tensor = use.graph.tensors[use.tensor]
            tensor.type = schema.TensorType.INT8
            tensor.quantization = parameters
            if use.name == "FULLY_CONNECTED":
                use.operator.builtinOptions.asymmetricQuantizeInputs = True
            _set_version(model, use.operator, DYNAMIC_VERSION[use.name])
    return len(weights)


def to_float16(model, keep_layers=()):
    """Make weights float16, widened again where they are used; in place.

    Args and returns as `to_int8`.

    Raises:
        ValueError: a weight is beyond the range of float16.
    """
    weights = _weights(model, keep_layers, CHANNEL_AXIS)
    widened = {}
    for buffer, uses in weights.items():
        values = _values(model, uses[0])
        if np.abs(values).max() > np.finfo("float16").max:
            raise ValueError(
                f"{tensor_name(uses[0].graph, uses[0].tensor)} holds weights "
                "beyond float16; export with quantize='none' or 'dynamic'."
            )
        halves = values.astype("float16").reshape(-1)
        model.buffers[buffer].data = halves.view(np.uint8)
        for use in uses:
            key = id(use.graph), use.tensor
            if key not in widened:
                widened[key] = widen(model, use.graph, use.tensor)
            first, _, *rest = use.operator.inputs
            use.operator.inputs = [first, widened[key], *rest]
    return len(weights)


def predicted_bytes(size, model, quantize, keep_layers=()):
    """Size of a file whose weights are made smaller.

    Weights of 1,024 values and more count 2 bytes a value in float16, 1 in
    int8 with a scale and a zero point (4 + 8 bytes) for each output channel of
    each tensor. What operators are added for that is not counted.

    Args:
        size: int, bytes of the float file.
        model: ModelT of that file.
        quantize: "none", "float16", "dynamic" or "int8".
        keep_layers: names of layers that stay float32.

    Returns:
        int, bytes.
    """
    if quantize == "none":
        return size
    operators = DYNAMIC_VERSION if quantize == "dynamic" else CHANNEL_AXIS
    for uses in _weights(model, keep_layers, operators).values():
        values = _values(model, uses[0])
        if quantize == "float16":
            size -= 2 * values.size
        else:
            channels = values.shape[CHANNEL_AXIS[uses[0].name]]
            tensors = {(id(use.graph), use.tensor) for use in uses}
            size -= 3 * values.size - 12 * channels * len(tensors)
    return int(size)


def _weights(model, keep_layers, operators):
    """Return buffer -> uses, for the weights that may change.

    A buffer is left alone if any use of it is another one: an operator that
    is not listed, another input than the second, or a kept layer.
    """
    uses, refused = defaultdict(list), set()
    for graph in model.subgraphs:
        refused |= {graph.tensors[i].buffer for i in graph.outputs}
        for operator in graph.operators or []:
            name = operator_name(model, operator)[0]
            # Its outputs say where an operator is: its input may come from
            # the layer before.
            names = [tensor_name(graph, i) for i in operator.outputs if i >= 0]
            kept = any(in_layer(names, layer) for layer in keep_layers)
            for position, i in enumerate(operator.inputs):
                if i < 0:
                    continue
                buffer = graph.tensors[i].buffer
                if name in operators and position == 1 and not kept:
                    uses[buffer].append(_Use(graph, int(i), operator, name))
                else:
                    refused.add(buffer)
    return {
        buffer: found
        for buffer, found in uses.items()
        if buffer not in refused and _is_large_float(model, buffer, found)
    }


def _is_large_float(model, buffer, uses):
    data = model.buffers[buffer].data
    if data is None or len(data) < 4 * MIN_ELEMENTS:
        return False
    types = {use.graph.tensors[use.tensor].type for use in uses}
    axes = {CHANNEL_AXIS[use.name] for use in uses}
    return types == {schema.TensorType.FLOAT32} and len(axes) == 1


def _values(model, use):
    tensor = use.graph.tensors[use.tensor]
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    return data.view("<f4").reshape(tuple(tensor.shape))


def widen(model, graph, narrow):
    """Insert the operator that makes a float16 tensor float32; its output."""
    wide = schema.TensorT()
    wide.name = (graph.tensors[narrow].name or b"") + b"/float32"
    wide.shape = graph.tensors[narrow].shape
    wide.type = schema.TensorType.FLOAT32
    wide.buffer = 0  # without content
    graph.tensors[narrow].type = schema.TensorType.FLOAT16
    graph.tensors.append(wide)
    operator = schema.OperatorT()
    operator.inputs = [narrow]
    operator.outputs = [len(graph.tensors) - 1]
    operator.opcodeIndex = operator_code(
        model, schema.BuiltinOperator.DEQUANTIZE, version=3
    )
    graph.operators.insert(0, operator)
    return len(graph.tensors) - 1


def _set_version(model, operator, version):
    code = model.operatorCodes[operator.opcodeIndex]
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    if code.version < version:
        operator.opcodeIndex = operator_code(model, number, version)


def operator_code(model, number, version):
    """Return the index of an operator code, added where it is not there."""
    for i, code in enumerate(model.operatorCodes):
        if code.builtinCode == number and code.version == version:
            return i
    code = schema.OperatorCodeT()
    code.builtinCode = number
    code.deprecatedBuiltinCode = min(number, 127)
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
