import struct

import pytest

from keras_selfattn.preprocessing.character_map import CharacterMap


def unit(label=0, offset=0, leaf=False):
    """A unit of a double array that is near enough for a short offset."""
    return label | leaf << 8 | offset << 10


def written_by_hand():
    """A map of "a" to "xy" and of "ab" to nothing.

    Children of the root stand at 4 ^ label, those of "a" at 8 ^ label; where a
    node ends a text, its value stands at the node's own offset.
    """
    units = [0] * 256
    units[0] = unit(offset=4)
    units[4 ^ ord("a")] = unit(ord("a"), 0x65 ^ 8, True)
    units[8] = 0  # the text of "a" begins at byte 0
    units[8 ^ ord("b")] = unit(ord("b"), 8 ^ ord("b") ^ 16, True)
    units[16] = 3  # that of "ab" at byte 3
    trie = struct.pack("<256I", *units)
    return struct.pack("<I", len(trie)) + trie + b"xy\0\0"


def test_the_longest_beginning_is_replaced():
    read = CharacterMap(written_by_hand())
    assert read("") == ""
    assert read("a-abc-ac") == "xy-c-xyc"
    assert read("\u732b\u00e9a\U0001f389") == "\u732b\u00e9xy\U0001f389"


@pytest.mark.parametrize(
    "data", [b"", b"\1\2", b"\x08\0\0\0abcd", b"\3\0\0\0abc"]
)
def test_a_damaged_map_is_refused(data):
    with pytest.raises(ValueError, match="character map .* is damaged"):
        CharacterMap(data)
