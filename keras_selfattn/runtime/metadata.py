"""What an exported file says of itself: JSON in a buffer of the flatbuffer.

`task.export` writes it (`keras_selfattn.export.metadata`); reading takes
milliseconds and neither Keras nor TensorFlow.
"""

import json
import struct
from pathlib import Path

NAME = "keras_selfattn"
IDENTIFIER = b"TFL3"


class MetadataError(ValueError):
    """A file without our metadata, or no .tflite file at all."""


def read(path):
    """Return the metadata of an exported file.

    Args:
        path: str or path of a .tflite file.

    Returns:
        dict; a speech recogniser's has "format", "task", "name",
        "sampling_rate_hz", "vocabulary", "blank_id", "frame_seconds",
        "min_samples", "signature", "quantize" and "producer".

    Raises:
        MetadataError: the file is missing, is no .tflite file, is truncated,
            or was not written by `task.export`.

    Example:
        >>> read("asr.tflite")["sampling_rate_hz"]
        16000
    """
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise MetadataError(
            f"{path} cannot be read: {error.strerror}."
        ) from error
    if content[4:8] != IDENTIFIER:
        raise MetadataError(
            f"{path} is not a .tflite file: it does not carry the mark "
            f"{IDENTIFIER.decode()} at byte 4."
        )
    try:
        found = _find(content)
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise MetadataError(
            f"{path} is a broken .tflite file (truncated?): {error}."
        ) from error
    if found is None:
        raise MetadataError(
            f"{path} has no metadata named {NAME}; it was not written by "
            "keras_selfattn. Export the task again: keras-selfattn export."
        )
    try:
        value = json.loads(found)
    except ValueError as error:
        raise MetadataError(
            f"{path}: its metadata is no JSON text ({error})."
        ) from error
    if not isinstance(value, dict):
        raise MetadataError(
            f"{path}: its metadata is a JSON {type(value).__name__}; "
            "expected an object."
        )
    return value


def _find(content):
    """Return the bytes of our buffer, or None where there is none."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    for i in range(model.MetadataLength()):
        entry = model.Metadata(i)
        if entry.Name() == NAME.encode():
            buffer = model.Buffers(entry.Buffer())
            return buffer.DataAsNumpy().tobytes()
    return None
