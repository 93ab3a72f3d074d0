"""The best token at each step. Numpy only; step functions: `token_scores`.

Shape letters: `R` rows, `T` tokens so far, `V` vocabulary.
"""

import numpy as np

from keras_selfattn.decoding.token_scores import (
    ban_repeats,
    log_probabilities,
    row_limits,
)


def greedy_search(
    step,
    state,
    num_rows,
    max_length,
    bos_id,
    eos_id,
    banned_ids=(),
    no_repeat_ngram=0,
):
    """Writes each row's best token until its end.

    Args:
        step: step function, see `token_scores`.
        state: its state before the first token.
        num_rows: int, texts written at once.
        max_length: int, or int array `(R,)`. A row that has not ended by
            then is cut.
        bos_id: int, the token before every text.
        eos_id: int, the token that ends a text.
        banned_ids: ints never written (padding, unknown).
        no_repeat_ngram: int, this many tokens in a row stand once in a text;
            0 for no such rule.

    Returns:
        list of int32 arrays, the tokens of each row without `eos_id`.

    Example:
    ```python
    counting = np.eye(6)[[1, 2, 3, 4, 5, 5]]  # each id's next is one more
    greedy_search(lambda ids, _, s: (counting[ids], s), None, 1, 9, 0, 4)
    # [[1, 2, 3]]
    ```
    """
    return write_tokens(
        step,
        state,
        num_rows,
        max_length,
        bos_id,
        eos_id,
        choose=lambda scores: scores.argmax(axis=-1),
        banned_ids=banned_ids,
        no_repeat_ngram=no_repeat_ngram,
    )


def write_tokens(
    step,
    state,
    num_rows,
    max_length,
    bos_id,
    eos_id,
    choose,
    banned_ids=(),
    no_repeat_ngram=0,
):
    """As `greedy_search`, by `choose(log-probabilities (R, V)) -> (R,)`."""
    limits = row_limits(max_length, num_rows)
    written = np.zeros((num_rows, 0), "int32")  # (R, T)
    last = np.full(num_rows, bos_id, "int32")
    running = np.ones(num_rows, bool)
    lengths = np.zeros(num_rows, "int32")
    for position in range(limits.max() if num_rows else 0):
        logits, state = step(last, position, state)
        scores = log_probabilities(logits, banned_ids)
        ban_repeats(scores, written, no_repeat_ngram)
        last = np.where(running, choose(scores), eos_id).astype("int32")
        running &= last != eos_id
        lengths += running
        running &= lengths < limits
        written = np.concatenate([written, last[:, None]], axis=1)
        if not running.any():
            break
    return [row[:length] for row, length in zip(written, lengths, strict=True)]
