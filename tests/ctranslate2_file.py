"""Writes CTranslate2 files for tests, and untrue ones if told to."""

import struct

import numpy as np

from keras_selfattn.convert.ctranslate2 import DTYPES


def text(value):
    return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"


def variable(name, array, size=None, code=None):
    """A variable's bytes; `size` and `code` may tell untruths."""
    if code is None:
        codes = {np.dtype(dtype): code for code, dtype in DTYPES.items()}
        code = codes[array.dtype]
    size = array.nbytes if size is None else size
    head = struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
    return text(name) + head + struct.pack("<BI", code, size) + array.tobytes()


def content(variables, aliases=(), version=6):
    """A file's bytes of `{name: array}`, or of a list of `variable()`."""
    if isinstance(variables, dict):
        variables = [variable(*item) for item in variables.items()]
    parts = [struct.pack("<I", version), text("WhisperSpec")]
    parts += [struct.pack("<II", 3, len(variables)), *variables]
    parts.append(struct.pack("<I", len(aliases)))
    parts += [text(name) for pair in aliases for name in pair]
    return b"".join(parts)
