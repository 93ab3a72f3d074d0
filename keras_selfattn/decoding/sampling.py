"""Tokens drawn by chance. Numpy only; step functions: `token_scores`.

Shape letters: `R` rows, `V` vocabulary.
"""

import numpy as np

from keras_selfattn.decoding.greedy_search import write_tokens


def sample(
    step,
    state,
    num_rows,
    max_length,
    bos_id,
    eos_id,
    temperature=1.0,
    top_k=0,
    top_p=1.0,
    seed=0,
    banned_ids=(),
    no_repeat_ngram=0,
):
    """Draws each token from the likeliest ones.

    Reference: top-k: Fan et al. 2018 (arXiv:1805.04833), section 5.4; top-p:
    Holtzman et al. 2020 (arXiv:1904.09751), section 3.1.

    Args:
        step: step function, see `token_scores`.
        state: its state before the first token.
        num_rows: int, texts written at once.
        max_length: int, or int array `(R,)`.
        bos_id: int, the token before every text.
        eos_id: int, the token that ends a text.
        temperature: float > 0, divides the log-probabilities; below 1 the
            likely become likelier.
        top_k: int, draw from so many tokens; 0 for all.
        top_p: float in (0, 1], draw from the fewest likeliest tokens that
            have this share together.
        seed: int.
        banned_ids: ints never written.
        no_repeat_ngram: see `greedy_search`.

    Returns:
        list of int32 arrays, the tokens of each row without `eos_id`.

    Raises:
        ValueError: for a setting out of its range.
    """
    if not temperature > 0 or top_k < 0 or not 0 < top_p <= 1:
        raise ValueError(
            f"temperature={temperature}, top_k={top_k}, top_p={top_p}; "
            "expected temperature > 0, top_k >= 0 and 0 < top_p <= 1."
        )
    generator = np.random.default_rng(seed)

    def choose(scores):
        shares = likeliest(scores / temperature, top_k, top_p)
        points = generator.random((len(shares), 1))
        # The last share counts for all: sums may end a little below 1.
        passed = np.cumsum(shares, axis=-1) <= points
        last = shares.shape[-1] - 1 - (shares[:, ::-1] > 0).argmax(axis=-1)
        return np.minimum(passed.sum(axis=-1), last)

    return write_tokens(
        step,
        state,
        num_rows,
        max_length,
        bos_id,
        eos_id,
        choose,
        banned_ids,
        no_repeat_ngram,
    )


def likeliest(scores, top_k=0, top_p=1.0):
    """Probabilities of what may be drawn, float `(R, V)`; 0 for the rest.

    Args:
        scores: float array `(R, V)`, log-probabilities up to a constant.
        top_k: int, tokens that stay; 0 for all.
        top_p: float, share that stays, taken after `top_k`.
    """
    order = np.argsort(-scores, axis=-1, kind="stable")
    ranked = np.take_along_axis(scores, order, axis=-1)
    shares = np.exp(ranked - ranked[:, :1])
    if top_k:
        shares[:, top_k:] = 0.0
    shares /= shares.sum(axis=-1, keepdims=True)
    # A token stays where those before it have less than top_p together.
    before = np.cumsum(shares, axis=-1) - shares
    shares[before >= top_p] = 0.0
    shares /= shares.sum(axis=-1, keepdims=True)
    result = np.zeros_like(shares)
    np.put_along_axis(result, order, shares, axis=-1)
    return result
