"""Likely tokens that do not repeat what was said. Numpy only.

Shape letters: `R` rows, `K` candidates, `T` tokens so far, `D` model
dimension, `V` vocabulary.
"""

import numpy as np

from keras_selfattn.decoding.token_scores import (
    log_probabilities,
    row_limits,
    take_rows,
)


def contrastive_search(
    step,
    state,
    hidden,
    num_rows,
    max_length,
    bos_id,
    eos_id,
    top_k=4,
    alpha=0.6,
    banned_ids=(),
):
    """Of the likeliest tokens, takes the one that is least like the text.

        (1 - alpha) p(v) - alpha max_j cos(h_v, h_j)

    `h_v` is the vector the model would have at `v`, `h_j` those of the text
    so far. Nothing is drawn: the same beginning gives the same text. Each token
    costs a step of `K` rows.

    Reference: Su et al. 2022 (arXiv:2202.06417), section 3.2, equation 5.

    Args:
        step: as in `token_scores`, but it gives `logits, hidden (R, D),
            state`.
        state: its state before the first token.
        hidden: float `(R, T, D)`, vectors of the tokens before `bos_id`; None
            where there are none.
        num_rows: int, texts written at once.
        max_length: int, or int array `(R,)`.
        bos_id: int, the token to begin with.
        eos_id: int, the token that ends a text.
        top_k: int >= 1, candidates; 1 is greedy search.
        alpha: float in [0, 1], weight of being unlike; 0 is greedy search.
        banned_ids: ints never written.

    Returns:
        list of int32 arrays, the tokens of each row without `eos_id`.

    Raises:
        ValueError: for a setting out of its range.
    """
    if top_k < 1 or not 0 <= alpha <= 1:
        raise ValueError(
            f"top_k={top_k}, alpha={alpha}; expected top_k >= 1 and alpha in "
            "[0, 1]."
        )
    limits = row_limits(max_length, num_rows)
    written = np.zeros((num_rows, 0), "int32")  # (R, T)
    running = np.ones(num_rows, bool)
    lengths = np.zeros(num_rows, "int32")
    last = np.full(num_rows, bos_id, "int32")
    logits, newest, state = step(last, 0, state)
    seen = _unit(np.asarray(newest, "float64"))[:, np.newaxis]  # (R, T, D)
    if hidden is not None:
        seen = np.concatenate([_unit(np.asarray(hidden, "float64")), seen], 1)
    for position in range(1, limits.max() + 1):
        scores = log_probabilities(logits, banned_ids)
        count = min(top_k, scores.shape[1] - len(set(banned_ids)))
        best = np.argsort(-scores, axis=1, kind="stable")[:, :count]  # (R, K)
        tried = take_rows(state, np.repeat(np.arange(num_rows), count))
        next_logits, next_hidden, tried = step(
            best.ravel().astype("int32"), position, tried
        )
        vectors = _unit(np.asarray(next_hidden, "float64"))
        vectors = vectors.reshape(num_rows, count, -1)  # (R, K, D)
        likeness = (vectors @ seen.transpose(0, 2, 1)).max(axis=2)  # (R, K)
        shares = np.exp(np.take_along_axis(scores, best, axis=1))
        chosen = ((1 - alpha) * shares - alpha * likeness).argmax(axis=1)
        rows = np.arange(num_rows)
        last = np.where(running, best[rows, chosen], eos_id).astype("int32")
        written = np.concatenate([written, last[:, np.newaxis]], axis=1)
        running &= last != eos_id
        lengths += running
        running &= lengths < limits
        if not running.any():
            break
        seen = np.concatenate([seen, vectors[rows, chosen][:, np.newaxis]], 1)
        taken = rows * count + chosen
        logits, state = np.asarray(next_logits)[taken], take_rows(tried, taken)
    return [row[:length] for row, length in zip(written, lengths, strict=True)]


def _unit(vectors):
    """Vectors of length one; zeros stay."""
    norms = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.maximum(norms, 1e-12)
