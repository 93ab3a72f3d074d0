"""What Moonshine writes: pieces of characters, bytes, and marks.

Standard library only.
"""

import re

from keras_selfattn.preprocessing.byte_fallback import ByteFallbackSplitter

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
_MARK = re.compile(r"<s>|</s>|<unk>|<pad>|<<[^<>]*>>")


def is_mark(token):
    """Whether a token stands for no text (`</s>`, `<<ST_0>>`)."""
    return _MARK.fullmatch(token) is not None


def text_of(ids, vocabulary):
    """The text of token ids, without marks and without blanks at its ends.

    Args:
        ids: iterable of ints.
        vocabulary: list of str, the token of each id.

    Returns:
        str.

    Example:
        >>> text_of([0, 1, 2], ["<s>", "\u2581Good", "</s>"])
        'Good'
    """
    pieces = (vocabulary[int(i)] for i in ids)
    kept = [piece for piece in pieces if not is_mark(piece)]
    return ByteFallbackSplitter.join(kept).strip()
