"""What stands in a SentencePiece model; its package is not needed."""

import struct

WORD_START = "\u2581"  # SentencePiece's mark of a blank before a piece
UNIGRAM = 1  # TrainerSpec.model_type
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


def write_pieces(pieces, charsmap=b""):
    """A serialised unigram ModelProto: the way back of `read_pieces`.

    Blanks are read as SentencePiece does by default: those in a row as one,
    one put before the text.

    Args:
        pieces: list of (piece, score, type), in order of their ids.
        charsmap: bytes, NormalizerSpec's `precompiled_charsmap`.

    Returns:
        bytes.
    """
    ids = {piece: i for i, (piece, *_) in enumerate(pieces)}
    kinds = [kind for *_, kind in pieces]
    unknown = kinds.index(UNKNOWN) if UNKNOWN in kinds else -1
    trainer = [(3, UNIGRAM), (40, unknown)]
    marks = ((41, "<s>"), (42, "</s>"), (43, "<pad>"))
    trainer += [(field, ids.get(mark, -1)) for field, mark in marks]
    normalizer = [(2, charsmap), (3, 1), (4, 1), (5, 1)]
    return b"".join(
        [
            *(
                _field(
                    1,
                    _field(1, piece.encode("utf8"))
                    + _field(2, float(score))
                    + _field(3, kind),
                )
                for piece, score, kind in pieces
            ),
            _field(2, b"".join(_field(*field) for field in trainer)),
            _field(3, b"".join(_field(*field) for field in normalizer)),
        ]
    )


def _field(number, value):
    """A field of a protocol buffer message: an int, a float32 or bytes."""
    if isinstance(value, float):
        return _varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value & (1 << 64) - 1)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _varint(value):
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)


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
