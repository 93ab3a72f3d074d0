"""Writes what an exported file says of itself; see `runtime.metadata`."""

import json

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.export.flatbuffer import read_model, write_model
from keras_selfattn.runtime.metadata import NAME, MetadataError, read

__all__ = ["MetadataError", "append", "read"]


def append(path, metadata):
    """Put `metadata` into a .tflite file, in place of what was there.

    It is the last step of an export: TensorFlow's own tools drop buffers
    they do not know.

    Args:
        path: str or path of a .tflite file; it is replaced by a rename.
        metadata: dict of JSON-able values.

    Raises:
        FileError (a ValueError): the file is no .tflite file.
        TypeError: a value cannot be written as JSON.
    """
    text = json.dumps(metadata, ensure_ascii=False, allow_nan=False)
    model = read_model(path)
    entries = [
        entry for entry in model.metadata or [] if entry.name != NAME.encode()
    ]
    for old in model.metadata or []:
        if old.name == NAME.encode():
            model.buffers[old.buffer].data = None
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(text.encode("utf-8"), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name = NAME.encode()
    entry.buffer = len(model.buffers) - 1
    model.metadata = [*entries, entry]
    write_model(model, path)
