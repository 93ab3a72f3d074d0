"""Byte pair encoding of bytes, as GPT-2 and RoBERTa split texts.

Standard library only.
"""

import functools
import re
import sys
import unicodedata

_BLANK = "\t\n\v\f\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_WORDS_KEPT = 2**16  # pieces of frequent words are looked up


class BytePairSplitter:
    """Text to pieces: runs of letters, digits or signs, whose bytes join.

    A run takes the blank before it along. Each byte is written as a letter
    (the blank as `\u0120`), so pieces are text; neighbours join by the merge
    that was learned first, until none is left. Nothing is lost: `join` gives
    the text back.

    Reference: Radford et al. 2019 (GPT-2), section 2.2; Sennrich et al. 2016
    (arXiv:1508.07909), section 3.2.

    Args:
        merges: list of two pieces that join, as "a b" or pairs, the first
            learned first.
        prefix_space: bool, a blank before a text that begins without one.

    Raises:
        ValueError: a merge is not of two pieces.

    Example:
        >>> BytePairSplitter(["l o", "lo w"])("low low")
        ['low', '\u0120', 'low']
    """

    def __init__(self, merges, prefix_space=False):
        ranks = read_merges(merges)
        self.prefix_space = prefix_space
        self._pieces = functools.lru_cache(_WORDS_KEPT)(
            lambda word: join_pairs(word, ranks)
        )

    def __call__(self, text):
        if self.prefix_space and text and text[0] != " ":
            text = " " + text
        letters = byte_letters()
        return [
            piece
            for run in _runs().findall(text)
            for piece in self._pieces(
                "".join(letters[b] for b in run.encode("utf-8", "replace"))
            )
        ]

    @staticmethod
    def join(pieces):
        """The text of pieces; bytes that are no UTF-8 become U+FFFD."""
        codes = _letter_bytes()
        data = bytearray()
        for letter in "".join(pieces):
            if letter in codes:
                data.append(codes[letter])
            else:
                data += letter.encode()
        return data.decode("utf-8", "replace")


def read_merges(merges):
    """The rank of each pair that joins, a dict, from lines or pairs.

    Raises:
        ValueError: a merge is not of two pieces.
    """
    pairs = [
        tuple(merge.split(" ") if isinstance(merge, str) else merge)
        for merge in merges
    ]
    if wrong := [pair for pair in pairs if len(pair) != 2]:
        raise ValueError(
            f"The merge {' '.join(wrong[0])!r} is not of two pieces; "
            'expected "a b", a line of merges.txt.'
        )
    return {pair: i for i, pair in enumerate(pairs)}


def join_pairs(letters, ranks):
    """The pieces of a word, a tuple: the pair of lowest rank joins first.

    Args:
        letters: sequence of str, what the word begins as.
        ranks: dict, as `read_merges` gives.
    """
    pieces, none = list(letters), len(ranks)
    while len(pieces) > 1:
        best = min(
            zip(pieces, pieces[1:]), key=lambda pair: ranks.get(pair, none)
        )
        if best not in ranks:
            break
        joined, i = [], 0
        while i < len(pieces):
            if tuple(pieces[i : i + 2]) == best:
                joined.append(pieces[i] + pieces[i + 1])
                i += 2
            else:
                joined.append(pieces[i])
                i += 1
        pieces = joined
    return tuple(pieces)


@functools.cache
def byte_letters():
    """The letter that stands for each byte: itself where it can be seen.

    The others are the letters from U+0100 on, in order.
    """
    seen = {*range(33, 127), *range(161, 173), *range(174, 256)}
    letters, other = [], 256
    for byte in range(256):
        letters.append(chr(byte if byte in seen else other))
        other += byte not in seen
    return tuple(letters)


@functools.cache
def _letter_bytes():
    return {letter: byte for byte, letter in enumerate(byte_letters())}


@functools.cache
def _runs():
    """GPT-2's pattern; `re` knows no classes of Unicode, so they are listed."""
    letters, digits = _ranges("L"), _ranges("N")
    return re.compile(
        f"'s|'t|'re|'ve|'m|'ll|'d| ?[{letters}]+| ?[{digits}]+"
        f"| ?[^{_BLANK}{letters}{digits}]+"
        f"|[{_BLANK}]+(?![^{_BLANK}])|[{_BLANK}]+"
    )


def _ranges(kind):
    """The characters of a category, as ranges of a pattern's class."""
    ranges = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code))[0] != kind:
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges)
