"""Numbers that a recogniser wrote in digits, as they may have been spoken.

English; standard library and `normalize_transcript` only.
"""

import re

from keras_selfattn.preprocessing.transcripts import normalize_transcript

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve "
    "thirteen fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()


def spell_number(digits: str) -> str:
    """Returns a run of digits as words.

    Up to four digits without a leading zero are read as a number, all else
    digit by digit, as telephone numbers are.
    """
    if len(digits) > 4 or (digits[0] == "0" and len(digits) > 1):
        return " ".join(_ONES[int(digit)] for digit in digits)
    number = int(digits)
    if number < 20:
        return _ONES[number]
    if number < 100:
        tens, ones = divmod(number, 10)
        return _TENS[tens - 2] + (f" {_ONES[ones]}" if ones else "")
    size, name = (1000, "thousand") if number >= 1000 else (100, "hundred")
    head, rest = divmod(number, size)
    tail = f" {spell_number(str(rest))}" if rest else ""
    return f"{spell_number(str(head))} {name}{tail}"


def normalize_hypothesis(text: str, one_by_one: bool = False) -> str:
    """Returns what any system wrote in the form of the references.

    Numbers are spelled out, as numbers or digit by digit; letters of other
    scripts, which no reference here has, end a word.
    """
    if one_by_one:
        text = re.sub(r"(?<=[0-9])(?=[0-9])", " ", text)
    text = re.sub(r"(?<=[0-9]),(?=[0-9]{3})", "", text)
    text = re.sub(r"[0-9]+", lambda m: f" {spell_number(m[0])} ", text)
    text = re.sub(r"[^\W_a-zA-Z\u00c0-\u024f]", " ", text)
    return normalize_transcript(text)


def readings(text: str) -> list[str]:
    """Returns what a text may say: its numbers as numbers, or by digits.

    "291" may have been said either way, and only the reference knows: a
    system that writes digits must not lose by it.

    Example:
        >>> readings("Room 42.")
        ['room forty two', 'room four two']
    """
    found = [normalize_hypothesis(text, one) for one in (False, True)]
    return list(dict.fromkeys(found))
