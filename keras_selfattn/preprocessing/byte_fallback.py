"""Byte pair encoding of characters, as Llama and Moonshine split texts.

Standard library only.
"""

import re

from keras_selfattn.preprocessing.byte_pair import join_pairs, read_merges
from keras_selfattn.preprocessing.sentencepiece_model import WORD_START

_BYTE = re.compile("<0x([0-9A-F]{2})>")


class ByteFallbackSplitter:
    """Text to pieces: characters that join, and bytes for what has no piece.

    A blank is written as `\u2581` and one is put before the text. Neighbours
    join by the merge that was learned first, until none is left; a character
    that is not in the vocabulary becomes its bytes, `<0xE2>` and so on, where
    these are in it, else itself: unknown. `join` gives the text back.

    Reference: Kudo and Richardson 2018 (arXiv:1808.06226), section 3 (blanks);
    Sennrich et al. 2016 (arXiv:1508.07909), section 3.2 (merges); Touvron et
    al. 2023 (arXiv:2302.13971), section 2.1 (bytes).

    Args:
        merges: list of two pieces that join, as "a b" or pairs, the first
            learned first.
        pieces: list of str, the vocabulary.

    Raises:
        ValueError: a merge is not of two pieces.

    Example:
        >>> ByteFallbackSplitter(["l o"], ["\u2581", "l", "o", "lo"])("lo")
        ['\u2581', 'lo']
    """

    def __init__(self, merges, pieces):
        self._ranks = read_merges(merges)
        self._pieces = frozenset(pieces)
        self._has_bytes = all(
            f"<0x{byte:02X}>" in self._pieces for byte in range(256)
        )

    def __call__(self, text):
        if not text:
            return []
        found = []
        for letter in (" " + text).replace(" ", WORD_START):
            if letter in self._pieces or not self._has_bytes:
                found.append(letter)
            else:
                data = letter.encode("utf-8", "replace")
                found += [f"<0x{byte:02X}>" for byte in data]
        return list(join_pairs(found, self._ranks))

    @staticmethod
    def join(pieces):
        """The text of pieces; bytes that are no UTF-8 become U+FFFD each."""
        found, data = [], bytearray()
        for piece in [*pieces, ""]:
            if byte := _BYTE.fullmatch(piece):
                data.append(int(byte[1], 16))
                continue
            if data:
                try:
                    found.append(data.decode("utf-8"))
                except UnicodeDecodeError:
                    found.append("\ufffd" * len(data))
                data = bytearray()
            found.append(piece.replace(WORD_START, " "))
        return "".join(found).removeprefix(" ")
