"""Token ids back to text, from the list of a vocabulary alone.

That is what an exported file carries to a device. Id 0 is padding, and the CTC
blank where there is one.
"""

from keras_selfattn.preprocessing.sentencepiece_model import WORD_START

BLANK = "<blank>"
# What a translator's vocabulary begins with; SentencePiece's own unknown
# piece comes next.
PAD, BOS, EOS = "<pad>", "<s>", "</s>"
UNKNOWN_WORD = "<unk>"


def detokenize(ids, vocabulary):
    """Text of token ids, from the vocabulary list only.

    Handles character vocabularies (words parted by `" "`) and SentencePiece
    ones (a word begins with U+2581). Special tokens (`<...>`) are left out.

    Args:
        ids: iterable of ints, already collapsed (no CTC repeats).
        vocabulary: list of str; `vocabulary[0]` is the blank.

    Returns:
        str with single blanks between words.
    """
    pieces = []
    for token_id in ids:
        token_id = int(token_id)
        if not 0 <= token_id < len(vocabulary):
            raise ValueError(
                f"Token id {token_id} is outside the vocabulary of "
                f"{len(vocabulary)} tokens."
            )
        piece = vocabulary[token_id]
        if not is_special(piece):
            pieces.append(piece)
    return " ".join("".join(pieces).replace(WORD_START, " ").split())


def written_text(ids, vocabulary):
    """As `detokenize`, with blanks and line ends as they were written.

    What language models write: ids of a text's middle may begin with a blank.

    Args:
        ids: iterable of ints.
        vocabulary: list of str.

    Returns:
        str.
    """
    pieces = (vocabulary[int(token_id)] for token_id in ids)
    kept = "".join(piece for piece in pieces if not is_special(piece))
    return kept.replace(WORD_START, " ")


def is_special(piece):
    """Whether a piece of a vocabulary stands for no text (`<blank>`)."""
    return len(piece) > 2 and piece[0] == "<" and piece[-1] == ">"
