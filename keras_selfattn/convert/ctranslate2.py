"""Reads the variables of a CTranslate2 model (numpy only).

The file is little endian: u32 version; the model's class, a string; u32 its
revision; u32 count of variables; each is its name, u8 rank, u32 sizes, u8
dtype, u32 bytes, data; then u32 count of aliases, each two names. A string is
u16 bytes (the closing NUL included) and the bytes.
"""

import math
import struct
from pathlib import Path

import numpy as np

DTYPES = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
VERSION = 6


def read_ctranslate2(path):
    """Variables of `model.bin`, `{name: array}`, aliases resolved.

    Args:
        path: the file, or the folder that holds it.

    Raises:
        ValueError: where the file is missing, cut short, or of another
            version than 6, or its sizes do not fit together.
    """
    path = Path(path)
    path = path / "model.bin" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"{path} does not exist; expected a CTranslate2 file.")
    reader = _Reader(path)
    version = reader.number("I")
    if version != VERSION:
        raise ValueError(
            f"{path} has CTranslate2 format {version}, expected {VERSION}; "
            "convert the model with another version of CTranslate2."
        )
    reader.text()  # the model's class
    reader.number("I")  # its revision
    variables = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        variables[name] = reader.array(name)
    for _ in range(reader.number("I")):
        alias, name = reader.text(), reader.text()
        if name not in variables:
            raise reader.broken(f"{alias!r} stands for {name!r}, not there")
        variables[alias] = variables[name]
    return variables


class _Reader:
    """Takes one value after another off a file."""

    def __init__(self, path):
        self._path = path
        self._data = path.read_bytes()
        self._place = 0

    def broken(self, problem):
        return ValueError(
            f"{self._path} is cut short or not a CTranslate2 model: {problem} "
            f"(at byte {self._place}); fetch it again."
        )

    def _take(self, size):
        start, stop = self._place, self._place + size
        if stop > len(self._data):
            raise self.broken(f"{size} bytes wanted, the file ends earlier")
        self._place = stop
        return memoryview(self._data)[start:stop]

    def number(self, form):
        return struct.unpack("<" + form, self._take(struct.calcsize(form)))[0]

    def text(self):
        value = bytes(self._take(self.number("H")))
        try:
            return value.rstrip(b"\0").decode()
        except UnicodeDecodeError:
            raise self.broken(f"{value[:20]!r} is no name") from None

    def array(self, name):
        shape = [self.number("I") for _ in range(self.number("B"))]
        code = self.number("B")
        if code not in DTYPES:
            raise self.broken(f"{name!r} has the unknown dtype {code}")
        dtype = np.dtype(DTYPES[code])
        size = self.number("I")
        if size != math.prod(shape) * dtype.itemsize:
            raise self.broken(f"{name!r} {shape} {dtype} has {size} bytes")
        return np.frombuffer(self._take(size), dtype).reshape(shape)
