"""Smaller tables of embeddings in a float .tflite file.

A table is the first input of a GATHER, so `export.quantize`, which looks at
matrix operators, leaves it alone; in a text model it is most of the file.
"""

from collections import defaultdict

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.export.flatbuffer import operator_name, tensor_name
from keras_selfattn.export.quantize import (
    MIN_ELEMENTS,
    in_layer,
    operator_code,
    widen,
)


def tables_to_int8(model, keep_layers=()):
    """Make embedding tables int8, a scale for each row; in place.

    `row = scale * q`, with `scale = max|row| / 127`: the gathered rows are
    widened and multiplied by their gathered scales, all built-in operators.

    Args:
        model: ModelT of a file whose tables are float.
        keep_layers: names of layers that stay float32.

    Returns:
        int, how many tables changed.
    """
    tables = _tables(model, keep_layers)
    for buffer, uses in tables.items():
        graph, operator = uses[0]
        values = _values(model, graph, operator)
        scale = np.abs(values).max(axis=1, keepdims=True) / 127  # (V, 1)
        scale = np.where(scale == 0, 1, scale).astype("float32")
        rounded = np.clip(np.rint(values / scale), -127, 127).astype("int8")
        model.buffers[buffer].data = rounded.reshape(-1).view(np.uint8)
        stored = schema.BufferT()
        stored.data = scale.reshape(-1).view(np.uint8)
        model.buffers.append(stored)
        scales = {}
        for graph, operator in uses:
            graph.tensors[operator.inputs[0]].type = schema.TensorType.INT8
            if id(graph) not in scales:
                scales[id(graph)] = _tensor(
                    graph,
                    tensor_name(graph, operator.inputs[0]) + "/scale",
                    [len(values), 1],
                    len(model.buffers) - 1,
                )
            _scale_rows(model, graph, operator, scales[id(graph)])
    return len(tables)


def tables_to_float16(model, keep_layers=()):
    """Make embedding tables float16, widened again; in place.

    The interpreter widens a table once, at its first run.

    Args and returns as `tables_to_int8`.

    Raises:
        ValueError: a table is beyond the range of float16.
    """
    tables = _tables(model, keep_layers)
    for buffer, uses in tables.items():
        values = _values(model, *uses[0])
        if np.abs(values).max() > np.finfo("float16").max:
            raise ValueError(
                f"{tensor_name(uses[0][0], uses[0][1].inputs[0])} holds "
                "weights beyond float16; export with quantize='none' or "
                "'dynamic'."
            )
        halves = values.astype("float16").reshape(-1)
        model.buffers[buffer].data = halves.view(np.uint8)
        widened = {}
        for graph, operator in uses:
            narrow, *rest = operator.inputs
            key = id(graph), int(narrow)
            if key not in widened:
                widened[key] = widen(model, graph, narrow)
            operator.inputs = [widened[key], *rest]
    return len(tables)


def untie_tables(model):
    """Give tables that are multiplied by, too, a copy to gather from; in place.

    A model whose output shares its embeddings has one matrix for both, which
    neither `to_int8` nor `tables_to_int8` may change alone. Both take the same
    scale for each row, so `flatbuffer.share_buffers` joins the two again.

    Args:
        model: ModelT of a float file.

    Returns:
        int, how many tables have a copy.
    """
    gathers, products = defaultdict(list), set()
    for graph in model.subgraphs:
        for operator in graph.operators or []:
            name = operator_name(model, operator)[0]
            if name == "GATHER":
                tensor = graph.tensors[operator.inputs[0]]
                if _is_table(model, tensor, operator):
                    gathers[tensor.buffer].append((graph, operator))
            elif name == "FULLY_CONNECTED":
                buffer = graph.tensors[operator.inputs[1]].buffer
                products |= {buffer, (id(graph), int(operator.inputs[1]))}
    tied = products & set(gathers)
    for buffer in tied:
        twin = schema.BufferT()
        twin.data = np.array(model.buffers[buffer].data, np.uint8)
        model.buffers.append(twin)
        place = len(model.buffers) - 1
        for graph, operator in gathers[buffer]:
            table, *rest = operator.inputs
            if (id(graph), int(table)) in products:
                # This graph multiplies by it as well: a tensor of its own.
                name = tensor_name(graph, table) + "/rows"
                shape = graph.tensors[table].shape
                table = _tensor(graph, name, shape, place)
                operator.inputs = [table, *rest]
            else:
                graph.tensors[table].buffer = place
    return len(tied)


def _tables(model, keep_layers):
    """Return buffer -> (graph, GATHER) of the tables that may change."""
    uses, refused = defaultdict(list), set()
    for graph in model.subgraphs:
        refused |= {graph.tensors[i].buffer for i in graph.outputs}
        for operator in graph.operators or []:
            names = [tensor_name(graph, i) for i in operator.outputs if i >= 0]
            kept = any(in_layer(names, layer) for layer in keep_layers)
            gathers = operator_name(model, operator)[0] == "GATHER"
            for position, i in enumerate(operator.inputs):
                if i < 0:
                    continue
                tensor = graph.tensors[i]
                if (
                    gathers
                    and position == 0
                    and not kept
                    and _is_table(model, tensor, operator)
                ):
                    uses[tensor.buffer].append((graph, operator))
                else:
                    refused.add(tensor.buffer)
    return {b: found for b, found in uses.items() if b not in refused}


def _is_table(model, tensor, operator):
    data = model.buffers[tensor.buffer].data
    options = operator.builtinOptions
    return (
        data is not None
        and len(data) >= 4 * MIN_ELEMENTS
        and tensor.type == schema.TensorType.FLOAT32
        and len(tensor.shape) == 2
        and (options is None or (options.axis, options.batchDims) == (0, 0))
    )


def _values(model, graph, operator):
    tensor = graph.tensors[operator.inputs[0]]
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    return data.view("<f4").reshape(tuple(tensor.shape))


def _scale_rows(model, graph, gather, scale):
    """Puts `cast(rows) * scales` where the rows were."""
    output = gather.outputs[0]
    whole = graph.tensors[output]
    rows = _like(graph, whole, "/int8", schema.TensorType.INT8)
    wide = _like(graph, whole, "/float32", schema.TensorType.FLOAT32)
    row_scales = _like(graph, whole, "/scale", schema.TensorType.FLOAT32, 1)
    place = graph.operators.index(gather)
    gather.outputs = [rows]
    second = schema.OperatorT()
    second.opcodeIndex = gather.opcodeIndex
    second.inputs, second.outputs = [scale, gather.inputs[1]], [row_scales]
    second.builtinOptionsType = schema.BuiltinOptions.GatherOptions
    second.builtinOptions = schema.GatherOptionsT()
    cast = schema.OperatorT()
    cast.opcodeIndex = operator_code(model, schema.BuiltinOperator.CAST, 1)
    cast.inputs, cast.outputs = [rows], [wide]
    cast.builtinOptionsType = schema.BuiltinOptions.CastOptions
    cast.builtinOptions = schema.CastOptionsT()
    cast.builtinOptions.inDataType = schema.TensorType.INT8
    cast.builtinOptions.outDataType = schema.TensorType.FLOAT32
    product = schema.OperatorT()
    product.opcodeIndex = operator_code(model, schema.BuiltinOperator.MUL, 1)
    product.inputs, product.outputs = [wide, row_scales], [output]
    product.builtinOptionsType = schema.BuiltinOptions.MulOptions
    product.builtinOptions = schema.MulOptionsT()
    graph.operators[place + 1 : place + 1] = [second, cast, product]


def _tensor(graph, name, shape, buffer):
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name.encode(), shape, buffer
    made.type = schema.TensorType.FLOAT32
    graph.tensors.append(made)
    return len(graph.tensors) - 1


def _like(graph, tensor, suffix, kind, last=None):
    """A new tensor of a tensor's shape, its last dimension replaced."""
    made = schema.TensorT()
    made.name = (tensor.name or b"") + suffix.encode()
    made.type = kind
    made.buffer = 0  # without content
    for attribute in ("shape", "shapeSignature"):
        value = getattr(tensor, attribute)
        if value is not None:
            value = [int(size) for size in value]
            if last is not None:
                value[-1] = last
            setattr(made, attribute, value)
    graph.tensors.append(made)
    return len(graph.tensors) - 1
