"""What Whisper writes: pieces of bytes, and marks such as `<|en|>`.

Standard library only.
"""

import re

from keras_selfattn.preprocessing.byte_pair import BytePairSplitter

END = "<|endoftext|>"
START = "<|startoftranscript|>"
NO_TIMESTAMPS = "<|notimestamps|>"
NO_SPEECH = "<|nospeech|>", "<|nocaptions|>"  # one of them, by the tokenizer
LETTERS = "[a-z']+"  # what tokens hold that are letters, in small, alone
_MARK = re.compile(r"<\|[^<>|]*\|>")
_TIMESTAMPS, _STEP_SECONDS = 1501, 0.02


def is_mark(token):
    """Whether a token of the vocabulary stands for no text (`<|en|>`)."""
    return _MARK.fullmatch(token) is not None


def text_of(ids, vocabulary):
    """The text of token ids, without marks and without blanks at its ends.

    Args:
        ids: iterable of ints.
        vocabulary: list of str, the token of each id.

    Returns:
        str.

    Example:
        >>> text_of([0, 1, 2], ["<|en|>", "\u0120Good", "<|endoftext|>"])
        'Good'
    """
    pieces = (vocabulary[int(i)] for i in ids)
    return BytePairSplitter.join(p for p in pieces if not is_mark(p)).strip()


def prompt_of(language=None, translate=False):
    """The marks that stand before every text, none of its times.

    Reference: Radford et al. 2022 (arXiv:2212.04356), section 2.3.

    Args:
        language: str, what is spoken ("en", "de"); None for the models of
            English alone, which are asked for nothing else.
        translate: bool, write it in English, whatever was spoken.

    Returns:
        list of str.

    Raises:
        ValueError: to translate without a language.
    """
    if language is None:
        if translate:
            raise ValueError(
                "translate=True needs language, what is spoken; a model of "
                "English alone cannot translate."
            )
        return [START, NO_TIMESTAMPS]
    task = "<|translate|>" if translate else "<|transcribe|>"
    return [START, f"<|{language}|>", task, NO_TIMESTAMPS]


def filled_up(vocabulary, size):
    """A vocabulary with the marks of time that its files leave out.

    Args:
        vocabulary: list of str.
        size: int, tokens that the model has.

    Returns:
        list of str: behind the vocabulary `<|0.00|>` to `<|30.00|>`, and
        `<|unused0|>` and on if that is not enough; cut where it is too much.
    """
    times = (f"<|{i * _STEP_SECONDS:.2f}|>" for i in range(_TIMESTAMPS))
    known, found = set(vocabulary), list(vocabulary)
    found += [t for t in times if t not in known][: max(size - len(found), 0)]
    return found + [f"<|unused{i}|>" for i in range(size - len(found))]
