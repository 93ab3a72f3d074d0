"""Texts to words as BERT's own tokenizer makes them. Standard library only."""

import unicodedata

# Blocks of ideographs, each of which is a word: (first, last).
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_BLANKS = frozenset(
    "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000"
) | {chr(code) for code in range(0x2000, 0x200B)}


def bert_words(text, lower=True, strip_accents=None, ideographs=True):
    """Words and signs of a text.

    Control characters and U+FFFD go, an ideograph is a word, accents go
    (canonical decomposition, less the marks), then lower case; a word ends at
    white space, and each punctuation mark is one of its own.

    Reference: Devlin et al. 2019 (arXiv:1810.04805), appendix A.2, and the
    tokenizer published with it. Letters turn to lower case one by one: a
    sigma at a word's end is as any other.

    Args:
        text: str.
        lower: bool, to lower case.
        strip_accents: bool; None: as `lower`.
        ideographs: bool, part ideographs from each other.

    Returns:
        list of str.

    Example:
        >>> bert_words("Caf\u00e9, isn't it?")
        ['cafe', ',', 'isn', "'", 't', 'it', '?']
    """
    if not text.isascii():
        text = "".join(map(_clean, text))
        if ideographs:
            text = "".join(map(_parted, text))
        if lower if strip_accents is None else strip_accents:
            text = unicodedata.normalize("NFD", text)
            text = "".join(c for c in text if unicodedata.category(c) != "Mn")
        if lower:
            text = "".join(c.lower() for c in text)
    else:
        text = "".join(map(_clean, text))
        text = text.lower() if lower else text
    words, word = [], []
    for c in text:
        if c.isalnum() or not (c in _BLANKS or _is_sign(c)):
            word.append(c)
            continue
        if word:
            words.append("".join(word))
            word = []
        if c not in _BLANKS:
            words.append(c)
    if word:
        words.append("".join(word))
    return words


def _clean(c):
    if c in "\t\n\r":
        return " "
    if c.isalnum():
        return c
    if c == "\ufffd" or unicodedata.category(c) in ("Cc", "Cf", "Co"):
        return ""
    return " " if c in _BLANKS else c


def _parted(c):
    code = ord(c)
    if code > 0x33FF and any(a <= code <= b for a, b in _IDEOGRAPHS):
        return f" {c} "
    return c


def _is_sign(c):
    """Whether a character is punctuation: all ASCII signs are, `$` too."""
    if c.isascii():
        return "!" <= c <= "~"  # letters and digits do not come here
    return unicodedata.category(c)[0] == "P"
