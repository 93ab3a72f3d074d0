"""What a SentencePiece model reads characters as, without its package.

A `precompiled_charsmap` is the size of a trie in bytes (uint32), the trie, and
the texts that it points to, each ended by a zero byte. The trie is a double
array (Darts-clone): a unit of 32 bits holds a label, whether a leaf hangs on
it, and the offset of its children. All is little endian.

Standard library only, for devices.
"""

import array
import struct
import sys


class CharacterMap:
    """Reads a text as a SentencePiece model does: NFKC, mostly, and more.

    From left to right the longest beginning that the map has is replaced; what
    it has not stays.

    Reference: Kudo and Richardson 2018 (arXiv:1808.06226), section 3.3.

    Args:
        charsmap: bytes, NormalizerSpec's `precompiled_charsmap`.

    Raises:
        ValueError: they are no such map.

    Example:
    ```python
    CharacterMap(charsmap)("ｏｎｅ")  # "one"
    ```
    """

    def __init__(self, charsmap):
        size = 0
        if len(charsmap) > 4:
            (size,) = struct.unpack_from("<I", charsmap)
        if not size or size % 4 or 4 + size > len(charsmap):
            raise ValueError(
                f"The character map of {len(charsmap)} bytes is damaged: it "
                f"says that its trie has {size}; fetch the model again."
            )
        self._units = array.array("I", charsmap[4 : 4 + size])
        if sys.byteorder == "big":
            self._units.byteswap()
        self._texts = charsmap[4 + size :]

    def __call__(self, text):
        data, found, start = text.encode("utf8", "replace"), [], 0
        while start < len(data):
            length, place = self._longest(data, start)
            if length:
                end = self._texts.index(b"\0", place)
                found.append(self._texts[place:end])
            else:
                length = _width(data[start])
                found.append(data[start : start + length])
            start += length
        return b"".join(found).decode("utf8", "replace")

    def _longest(self, data, start):
        """Bytes of the longest beginning, and where its text stands."""
        units, found = self._units, (0, 0)
        node = _offset(units[0])
        for place in range(start, len(data)):
            node ^= data[place]
            if node >= len(units):
                break
            unit = units[node]
            if unit & 0x800000FF != data[place]:
                break
            node ^= _offset(unit)
            if unit >> 8 & 1:
                found = place + 1 - start, units[node] & 0x7FFFFFFF
        return found


def _offset(unit):
    """How far a unit's children are."""
    return (unit >> 10) << ((unit & 1 << 9) >> 6)


def _width(byte):
    """Bytes of the character that begins with a byte."""
    return 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
