"""Chinese in traditional characters, read as if in simplified ones."""

# The block of CJK ideographs, its first extension, and the compatibility
# ones: what texts are written in.
_BLOCKS = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0xF900, 0xFB00))


def traditional_to_simplified():
    """The characters that OpenCC simplifies, each alone, without context.

    A reader that takes both scripts learns from the texts of both: the two
    spellings of a word are one.

    Returns:
        str of traditional characters, and str of the simplified ones, of the
        same length: `replacements` of a `SentencePieceTokenizer`.

    Raises:
        ImportError: without the package `opencc`.

    Example:
        >>> before, after = traditional_to_simplified()
        >>> "個".translate(str.maketrans(before, after))  # "个"
    """
    try:
        from opencc import OpenCC
    except ImportError as error:
        raise ImportError(
            "The table of traditional and simplified characters needs the "
            "package: pip install opencc"
        ) from error
    convert = OpenCC("t2s").convert
    pairs = [
        (character, simple)
        for first, stop in _BLOCKS
        for character in map(chr, range(first, stop))
        if (simple := convert(character)) != character and len(simple) == 1
    ]
    before, after = zip(*pairs, strict=True)
    return "".join(before), "".join(after)
