"""Transcripts as English speech models here spell them: `[a-z' ]`.

One rule for all corpora, so that their transcripts can be trained on
together and error rates compare like with like.
"""

import unicodedata

_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz")
_APOSTROPHES = "\u2019\u2018\u02bc\u02bb\u0060\u00b4\uff07\u2032"
# Letters that Unicode does not decompose, and signs that are spoken.
_REPLACEMENTS = str.maketrans(
    {
        **dict.fromkeys(_APOSTROPHES, "'"),
        "ß": "ss",
        "æ": "ae",
        "œ": "oe",
        "ø": "o",
        "ł": "l",
        "đ": "d",
        "ð": "d",
        "þ": "th",
        "ı": "i",
        "&": " and ",
        "%": " percent ",
    }
)


def normalize_transcript(text):
    """Lower-case words of `[a-z']` with single blanks between them.

    Accents are dropped (`café` -> `cafe`), `&` and `%` become words, an
    apostrophe stays inside a word only, all other punctuation separates
    words. Digits raise: how `1995` was spoken is known to no rule, so spell
    numbers before (`nineteen ninety five`).

    Args:
        text: str.

    Returns:
        str, possibly empty.

    Raises:
        ValueError: digits, or letters of another script; it names them.

    Example:
    ```python
    normalize_transcript("“Don’t stop,” she said.")  # don't stop she said
    ```
    """
    if not isinstance(text, str):
        raise ValueError(
            f"normalize_transcript expects a str; received {text!r}."
        )
    plain = text.translate(_REPLACEMENTS)
    plain = unicodedata.normalize("NFKD", plain).lower()
    plain = plain.translate(_REPLACEMENTS)  # what only now is lower-case
    kept, unknown = [], []
    for character in plain:
        if character in _LETTERS or character == "'":
            kept.append(character)
            continue
        category = unicodedata.category(character)
        if category[0] in "PSZC":
            kept.append(" ")
        elif category == "Mn" and not unknown:
            continue  # an accent split off its letter
        elif character not in unknown:
            unknown.append(character)
    if unknown:
        raise ValueError(_complaint(text, unknown))
    words = (word.strip("'") for word in "".join(kept).split())
    return " ".join(word for word in words if word)


def _complaint(text, unknown):
    if all(unicodedata.category(c)[0] == "N" for c in unknown):
        return (
            f"The transcript {text!r} holds digits ({' '.join(unknown)}); "
            "spell numbers as they were spoken."
        )
    return (
        f"The transcript {text!r} holds characters outside the Latin "
        f"alphabet: {' '.join(unknown)}. Expected English text."
    )
