"""What stands in a SentencePiece model, read without its package."""

import struct

WORD_START = "\u2581"  # SentencePiece's mark of a blank before a piece
# Types of pieces.
NORMAL, UNKNOWN, CONTROL, UNUSED = 1, 2, 3, 5


def read_pieces(model_bytes):
    """The pieces of a serialised ModelProto, in order of their ids.

    Field 1 of ModelProto is a repeated message: piece, score and type are its
    fields 1, 2 and 3.

    Args:
        model_bytes: bytes, the content of a `.model` file.

    Returns:
        list of (piece, score, type).

    Raises:
        ValueError: they are no such model.
    """
    pieces = []
    try:
        for field, value in proto_fields(model_bytes):
            if field == 1:
                entry = dict(proto_fields(value))
                (score,) = struct.unpack("<f", entry.get(2, b"\0\0\0\0"))
                kind = entry.get(3, NORMAL)
                pieces.append((entry[1].decode("utf8"), score, kind))
    except (IndexError, KeyError, TypeError, UnicodeError, struct.error):
        pieces = []
    if not pieces:
        raise ValueError(
            "model_bytes is not a SentencePiece model; expected the content "
            f"of a .model file; received {len(model_bytes)} bytes."
        )
    return pieces


def proto_fields(data):
    """Yields (field number, value) of a protocol buffer message."""
    position = 0

    def varint():
        nonlocal position
        value = shift = 0
        while True:
            byte = data[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(data):
        key = varint()
        wire_type = key & 7
        if wire_type == 0:
            yield key >> 3, varint()
            continue
        if wire_type not in (1, 2, 5):
            raise IndexError(f"wire type {wire_type}")
        size = {1: 8, 5: 4}.get(wire_type) or varint()
        if position + size > len(data):
            raise IndexError("cut short")
        yield key >> 3, data[position : position + size]
        position += size
