"""Reads the variables of a CTranslate2 model folder (numpy only)."""

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
            version than 6.
    """
    path = Path(path)
    path = path / "model.bin" if path.is_dir() else path
    if not path.is_file():
        raise ValueError(f"{path} does not exist; expected a CTranslate2 file.")
    data = memoryview(path.read_bytes())
    place = 0

    def take(form):
        nonlocal place
        values = struct.unpack_from("<" + form, data, place)
        place += struct.calcsize("<" + form)
        return values[0]

    def text():
        nonlocal place
        length = take("H")
        value = bytes(data[place : place + length]).rstrip(b"\0").decode()
        place += length
        return value

    try:
        version = take("I")
        if version != VERSION:
            raise ValueError(
                f"{path} has CTranslate2 format {version}, expected {VERSION}."
            )
        text(), take("I")  # the model's class and its revision
        variables = {}
        for _ in range(take("I")):
            name = text()
            shape = [take("I") for _ in range(take("B"))]
            dtype = DTYPES[take("B")]
            size = take("I")
            if place + size > len(data):
                raise struct.error("data end early")
            array = np.frombuffer(data[place : place + size], dtype)
            variables[name] = array.reshape(shape)
            place += size
        for _ in range(take("I")):
            alias, name = text(), text()
            variables[alias] = variables[name]
    except (struct.error, KeyError) as error:
        raise ValueError(
            f"{path} is cut short or not a CTranslate2 model ({error})."
        ) from error
    return variables
