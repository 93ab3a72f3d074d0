"""What all searches over tokens share. Numpy only.

A search asks a *step function* for the scores of the next token:

    logits, state = step(token_ids, position, state)

`token_ids` is int32 `(R,)`, the tokens written last, `position` an int, how
many were written before them, `state` whatever the function keeps for each
row: nested dicts, lists and tuples of arrays `(R, ...)`, so that rows can be
taken from it. `logits` is `(R, V)`. A Keras model, an interpreter of an
exported file and a plain function of numpy can all be such a step.

Shape letters: `R` rows, `T` tokens so far, `V` vocabulary.
"""

import numpy as np


def take_rows(state, rows):
    """The state of the rows that go on: `leaf[rows]` of every array.

    Args:
        state: nested dicts, lists and tuples of arrays `(R, ...)`, or None.
        rows: int array, or a slice.

    Returns:
        the same structure of numpy arrays.
    """
    if state is None:
        return None
    if isinstance(state, dict):
        return {name: take_rows(part, rows) for name, part in state.items()}
    if isinstance(state, (list, tuple)):
        return type(state)(take_rows(part, rows) for part in state)
    return np.asarray(state)[rows]


def log_probabilities(logits, banned_ids=()):
    """Log-softmax in float64, float `(R, V)`; banned ids have -inf.

    What is banned takes no part in the sum.

    Raises:
        ValueError: for logits that are not finite numbers `(R, V)`.
    """
    logits = np.array(logits, "float64")
    if logits.ndim != 2 or not np.isfinite(logits).all():
        raise ValueError(
            f"The step function gave logits of shape {logits.shape}, "
            f"{np.isnan(logits).sum()} of them NaN; expected finite numbers "
            "(rows, vocabulary)."
        )
    if len(banned_ids):
        logits[:, list(banned_ids)] = -np.inf
    peak = logits.max(axis=-1, keepdims=True)
    total = np.exp(logits - peak).sum(axis=-1, keepdims=True)
    return logits - peak - np.log(total)


def ban_repeats(scores, tokens, size):
    """Sets to -inf, in place, what would repeat `size` tokens of a row.

    Reference: Paulus et al. 2018 (arXiv:1705.04304), section 2.5.

    Args:
        scores: float array `(R, V)`.
        tokens: int array `(R, T)`, written so far.
        size: int, length of the runs that may stand once only; 0: no ban.

    Raises:
        ValueError: for a negative size.
    """
    if size < 0:
        raise ValueError(f"no_repeat_ngram={size}; expected 0 (off) or more.")
    length = tokens.shape[1]
    if not size or length < size:
        return
    last = tokens[:, length - size + 1 :]
    for start in range(length - size + 1):
        end = start + size - 1
        same = (tokens[:, start:end] == last).all(axis=1)
        scores[same, tokens[same, end]] = -np.inf


def row_limits(max_length, num_rows):
    """Most tokens of each row, int array `(R,)`, from an int or an array."""
    limits = np.broadcast_to(np.asarray(max_length), (num_rows,))
    if not np.issubdtype(limits.dtype, np.integer) or (limits < 1).any():
        raise ValueError(
            f"max_length={max_length!r}; expected an int >= 1, or one for "
            f"each of {num_rows} rows."
        )
    return limits
