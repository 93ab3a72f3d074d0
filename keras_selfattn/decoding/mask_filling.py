"""Filling masks: from a text to places, from scores to texts. Numpy only.

Shapes: `T` tokens, `K` best tokens.
"""

from typing import NamedTuple

import numpy as np


class Fill(NamedTuple):
    """A token for a mask.

    Args:
        token: str, as it reads.
        score: float, its probability.
        text: str, the whole text with it.
        token_id: int.
    """

    token: str
    score: float
    text: str
    token_id: int


def find_masks(tokenizer, text, top_k):
    """Ids of a text, and where its masks are.

    Args:
        tokenizer: SubwordTokenizer.
        text: str with the tokenizer's mask, once or more.
        top_k: int >= 1.

    Returns:
        int array `(T,)`, and the places of masks, an int array.

    Raises:
        ValueError: no mask in the text (or only behind what is cut off), or
            `top_k` below 1.
    """
    ids = np.asarray(tokenizer.encode(text))
    places = np.flatnonzero(ids == tokenizer.mask_id)
    if not len(places) or top_k < 1:
        raise ValueError(
            f"The first {tokenizer.max_tokens} tokens of {text!r} hold"
            f" no {tokenizer.mask!r}, or top_k={top_k} is below 1."
        )
    return ids, places


def fill_masks(tokenizer, ids, places, best_ids, log_probabilities):
    """The texts that the best tokens make.

    Args:
        tokenizer: SubwordTokenizer.
        ids: int array `(T,)`, of the text.
        places: those of its masks.
        best_ids: int, `K` tokens of each mask, the likeliest first.
        log_probabilities: float, theirs.

    Returns:
        list of Fill; with several masks a list of such lists. Each mask is
        filled by itself.
    """

    def fill(place, token_id, log_probability):
        filled = ids.copy()
        filled[place] = token_id
        return Fill(
            tokenizer.decode([token_id]).strip(),
            float(np.exp(log_probability)),
            tokenizer.decode(filled),
            int(token_id),
        )

    found = [
        [fill(place, *best) for best in zip(row, logs, strict=True)]
        for place, row, logs in zip(
            places, best_ids, log_probabilities, strict=True
        )
    ]
    return found[0] if len(found) == 1 else found
