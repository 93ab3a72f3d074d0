"""Keeps n-gram models in one small file that is mapped, not read.

Layout, little endian: the mark `KSNGRAM1`, uint32 length of a JSON header, the
header, then the arrays it lists, each at a multiple of 8 bytes. The header has
`order`, and `arrays`: name to [dtype, length, offset]. Names are `text` and
`ends` (the words) and, with the order before them, `3.words`, `3.log_probs`,
`3.log_table`, `2.backoffs`, `2.backoff_table`, `2.first_children`.
"""

import gzip
import json
import struct
from pathlib import Path

import numpy as np

from keras_selfattn.decoding import arpa
from keras_selfattn.decoding.ngram_model import (
    NEVER,
    NgramError,
    NgramLevel,
    NgramModel,
    WordList,
)

MARK = b"KSNGRAM1"
_ALIGNMENT = 8
_CODES = 255  # and one for "never"


def open_model(path):
    """The model in a file: one that `to_bytes` made, or ARPA text.

    Args:
        path: str or path; ARPA may be gzipped.

    Raises:
        NgramError: missing, neither of the two, cut short or inconsistent.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            head = file.read(len(MARK))
        if head == MARK:
            return _mapped(path)
        opened = gzip.open if head[:2] == b"\x1f\x8b" else open
        with opened(path, "rt", encoding="utf8") as lines:
            return arpa.read(lines, str(path))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NgramError(
            f"{path} cannot be read as a language model: {reason}."
        ) from None


def to_bytes(model, quantize=True):
    """A model as the bytes of a file for `open_model`.

    Args:
        model: NgramModel.
        quantize: bool. Log-probabilities as one byte each, an index into 256
            values for each order (the means of equally many neighbours);
            else float32.

    Returns:
        bytes.
    """
    words = [model.words[number] for number in range(len(model.words))]
    encoded = [word.encode() for word in words]
    arrays = {
        "text": np.frombuffer(b"".join(encoded), "uint8"),
        "ends": np.cumsum([len(word) for word in encoded], dtype="uint32"),
    }
    narrow = "uint16" if len(words) <= 1 << 16 else "uint32"
    for order, level in enumerate(model.levels, 1):
        parts = {"log_probs": level.all_log_probs()}
        if level.words is not None:
            arrays[f"{order}.words"] = np.asarray(level.words, narrow)
        if level.first_children is not None:
            arrays[f"{order}.first_children"] = level.first_children
            parts["backoffs"] = level.all_backoffs()
        for name, values in parts.items():
            if quantize:
                codes, table = _quantized(values)
                table_name = {"log_probs": "log", "backoffs": "backoff"}[name]
                arrays[f"{order}.{table_name}_table"] = table
                values = codes
            arrays[f"{order}.{name}"] = values
    return _packed(arrays, model.order)


def _quantized(values):
    """uint8 codes `(M,)` and the float32 values `(256,)` they mean."""
    values = np.asarray(values, "float32")
    never = values <= np.float32(NEVER / 2)
    # Few different values: kept as they are.
    different = np.unique(values[~never])
    if len(different) > _CODES:
        cut = np.sort(values[~never])
        different = np.array(
            [part.mean() for part in np.array_split(cut, _CODES)], "float32"
        )
    table = np.full(256, NEVER, "float32")
    table[: len(different)] = different
    middles = (different[1:] + different[:-1]) / 2
    codes = np.searchsorted(middles, values)
    return np.where(never, 255, codes).astype("uint8"), table


def _packed(arrays, order):
    # Offsets count from the first array, so the header does not hold its size.
    listed, blocks, place = {}, [], 0
    for name, values in arrays.items():
        values = np.ascontiguousarray(values)
        values = values.astype(values.dtype.newbyteorder("<"))
        content = values.tobytes()
        listed[name] = [values.dtype.str, len(values), place]
        gap = -len(content) % _ALIGNMENT
        blocks.append(content + bytes(gap))
        place += len(content) + gap
    header = json.dumps({"order": order, "arrays": listed}).encode()
    header += b" " * (-(len(MARK) + 4 + len(header)) % _ALIGNMENT)
    return b"".join([MARK, struct.pack("<I", len(header)), header, *blocks])


def _mapped(path):
    content = np.memmap(path, "uint8", "r")
    first = len(MARK) + 4
    try:
        (length,) = struct.unpack("<I", content[len(MARK) : first].tobytes())
        header = json.loads(content[first : first + length].tobytes())
        base, arrays = first + length, {}
        for name, (dtype, size, offset) in header["arrays"].items():
            dtype = np.dtype(dtype)
            start = base + offset
            stop = start + size * dtype.itemsize
            if offset < 0 or size < 0 or stop > len(content):
                raise ValueError(f"{name} ends after the file")
            arrays[name] = np.asarray(content[start:stop]).view(dtype)
        words = WordList(arrays["text"], arrays["ends"])
        if not len(words) or int(words._ends[-1]) != len(arrays["text"]):
            raise ValueError("the words do not fill their block")
        levels = [
            _level(arrays, order) for order in range(1, header["order"] + 1)
        ]
        for level, above in zip(levels, levels[1:]):
            if int(level.first_children[-1]) != len(above.words):
                raise ValueError("orders do not fit one another")
        if len(levels[0].log_probs) != len(words):
            raise ValueError("order 1 does not fit the words")
    except (ValueError, KeyError, TypeError, struct.error) as error:
        raise NgramError(
            f"{path} is a broken language model (cut short?): {error}. "
            "Fetch or train it again."
        ) from None
    return NgramModel(words, levels)


def _level(arrays, order):
    names = ("words", "log_probs", "log_table", "backoffs", "backoff_table")
    found = {
        name: arrays.get(f"{order}.{name}")
        for name in (*names, "first_children")
    }
    if found["log_probs"] is None:
        raise ValueError(f"no order {order}")
    return NgramLevel(**found)
