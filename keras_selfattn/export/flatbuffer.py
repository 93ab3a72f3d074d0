"""A .tflite file as Python objects and back, without TensorFlow.

The objects are those of `ai_edge_litert.schema_py_generated`.
"""

import hashlib
import struct
from pathlib import Path

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.atomic_file import write_atomically

IDENTIFIER = b"TFL3"
ALIGNMENT_BYTES = 16

_OPERATOR_NAMES = {
    value: name
    for name, value in vars(schema.BuiltinOperator).items()
    if isinstance(value, int)
}


class FileError(ValueError):
    """A file that is no .tflite file, or a broken one."""


class _Builder(flatbuffers.Builder):
    """Aligns byte vectors as the schema demands; the generated code forgets.

    Weights that start at an odd address cost a copy, or a crash, on a phone.
    """

    def StartVector(self, elemSize, numElems, alignment):  # noqa: N802, N803
        if elemSize == 1:
            alignment = max(alignment, ALIGNMENT_BYTES)
        return super().StartVector(elemSize, numElems, alignment)


def read_model(path):
    """Return the `ModelT` of a .tflite file.

    Raises:
        FileError: the file is missing, empty, broken or of another kind.
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    return parse_model(content, path)


def parse_model(content, source="the content"):
    """Return the `ModelT` in the bytes of a .tflite file; see `read_model`."""
    if content[4:8] != IDENTIFIER:
        raise FileError(
            f"{source} is not a .tflite file: it does not carry the mark "
            f"{IDENTIFIER.decode()} at byte 4."
        )
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        if not model.subgraphs or not model.buffers:
            raise ValueError("no graph in it")
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise FileError(
            f"{source} is a broken .tflite file (truncated?): {error}."
        ) from error
    return model


def write_model(model, path):
    """Write a `ModelT`, by a rename, so that no half of a file is ever seen."""
    builder = _Builder(1 << 20)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    write_atomically(path, builder.Output())


def share_buffers(model):
    """Let constants of equal content share one buffer, in place.

    Each signature of a file is a graph of its own, which the converter gives
    its own copy of some of the weights. It also moves factors into weights
    (the half of a feed-forward, the scale of a query), in one graph and not in
    another: in int8 these differ in their scale only, which is the tensor's.

    Returns:
        int, bytes that are no longer kept twice.
    """
    first, same = {}, {}
    for index, buffer in enumerate(model.buffers):
        if buffer.data is not None and len(buffer.data):
            content = hashlib.sha256(bytes(buffer.data)).digest()
            same[index] = first.setdefault(content, index)
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            tensor.buffer = same.get(tensor.buffer, tensor.buffer)
    saved = 0
    used = {
        tensor.buffer for graph in model.subgraphs for tensor in graph.tensors
    }
    used |= {entry.buffer for entry in model.metadata or ()}
    for index, buffer in enumerate(model.buffers):
        if index not in used and buffer.data is not None:
            saved += len(buffer.data)
            buffer.data = None
    return saved


def operator_name(model, operator):
    """Return `("FULLY_CONNECTED", None)`, or `("CUSTOM", name)` of a custom."""
    code = model.operatorCodes[operator.opcodeIndex]
    # Codes above 127 stand in the newer field only, older files in the other.
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    name = _OPERATOR_NAMES.get(number, f"operator {number}")
    if name != "CUSTOM":
        return name, None
    return name, (code.customCode or b"").decode("utf-8", "replace")


def tensor_name(graph, index):
    """Return the name the converter gave a tensor: its layers' path."""
    return (graph.tensors[index].name or b"").decode("utf-8", "replace")
