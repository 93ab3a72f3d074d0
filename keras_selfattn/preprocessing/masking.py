"""Hiding tokens for masked language models. Numpy only.

Shapes: `B` texts, `T` tokens, `V` vocabulary.
"""

import numpy as np


def mask_tokens(
    token_ids,
    tokenizer,
    generator,
    share=0.15,
    whole_words=False,
    replaced=(0.8, 0.1),
):
    """Hides a share of the tokens of each text, and says which.

    Of the tokens that are chosen, 80 % become the mask, 10 % any token, and
    10 % stay as they are; all of them are to be found. Marks and padding are
    never chosen, and a text with a token has one chosen at least.

    Reference: Devlin et al. 2019 (arXiv:1810.04805), section 3.1; whole
    words: the release notes of BERT of 31 May 2019, Cui et al. 2019
    (arXiv:1906.08101), section 2.

    Args:
        token_ids: int `(B, T)`.
        tokenizer: SubwordTokenizer with a mask.
        generator: `numpy.random.Generator`.
        share: float in (0, 1), tokens of a text that are chosen, rounded.
        whole_words: bool, all pieces of a word are chosen, or none; each is
            then hidden or not by itself.
        replaced: the shares of the chosen tokens that become the mask, and
            any token.

    Returns:
        int32 `(B, T)`, with tokens hidden, and bool `(B, T)`, True = chosen.

    Raises:
        ValueError: the tokenizer has no mask; a share is out of its range.

    Example:
        >>> generator = np.random.default_rng(0)
        >>> ids = tokenizer.batch(["the cat sat"])["token_ids"]
        >>> hidden, chosen = mask_tokens(ids, tokenizer, generator)
    """
    if tokenizer.mask_id is None:
        raise ValueError("The tokenizer has no mask; give it mask=.")
    if not 0 < share < 1 or min(replaced) < 0 or sum(replaced) > 1:
        raise ValueError(
            f"share={share} must be above 0 and below 1, and replaced="
            f"{replaced} shares with a sum of 1 at most."
        )
    token_ids = np.asarray(token_ids, "int32")
    special = np.isin(token_ids, tokenizer.special_ids)
    words = ~special
    if whole_words:  # a word begins where no piece goes on from the last
        words &= ~tokenizer.continues()[token_ids]
        words[:, 0] |= ~special[:, 0]
        words[:, 1:] |= ~special[:, 1:] & special[:, :-1]
    chosen = np.zeros(token_ids.shape, bool)
    for row, own, starts in zip(chosen, ~special, words, strict=True):
        count = int(own.sum())
        if not count:
            continue
        goal = max(1, round(share * count))
        word_of = np.cumsum(starts)
        places = np.flatnonzero(own)
        for word in generator.permutation(np.unique(word_of[places])):
            if row.sum() >= goal:
                break
            row[places[word_of[places] == word]] = True
    fate = generator.random(token_ids.shape)
    any_token = generator.integers(
        0, tokenizer.vocabulary_size, token_ids.shape, "int32"
    )
    hidden = np.where(
        fate < replaced[0],
        np.int32(tokenizer.mask_id),
        np.where(fate < sum(replaced), any_token, token_ids),
    )
    return np.where(chosen, hidden, token_ids), chosen
