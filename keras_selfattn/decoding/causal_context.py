"""A causal language model as the step function of a search. Numpy only.

Shapes: `R` rows, `T` tokens, `S` places of a cache, `D` model dimension, `V`
vocabulary.
"""

import numpy as np

from keras_selfattn.decoding.token_scores import take_rows


class CausalContext:
    """Reads what was written into a cache; goes on when it is full.

    A full cache is begun anew with the newer half of its tokens, so a text
    may be longer than the model can see.

    Args:
        read: function of token ids, int32 `(R, T)`, an int, how many tokens
            the cache holds, and the cache (nested dicts and lists of arrays
            `(R, ...)`); it gives logits `(R, T, V)`, hidden vectors
            `(R, T, D)` and the cache with these tokens.
        empty_cache: function of an int, rows, to a cache.
        num_places: int >= 2, `S`.

    Example:
    ```python
    context = CausalContext(read, empty_cache, 64)
    state, _ = context.start([5, 8, 7], rows=1)
    greedy_search(context.step, state, 1, 100, 7, eos_id=-1)
    ```
    """

    def __init__(self, read, empty_cache, num_places):
        if num_places < 2:
            raise ValueError(
                f"num_places={num_places}; expected at least 2: a token and "
                "the one behind it."
            )
        self._read, self._empty = read, empty_cache
        self.num_places = num_places

    def start(self, token_ids, rows):
        """The state before the last token of a beginning.

        The last token is what a search begins with (its `bos_id`).

        Args:
            token_ids: non-empty list of int.
            rows: int, texts that go on from it.

        Returns:
            state, and float `(R, T, D)`, hidden vectors of all but the last
            token, as far back as the model sees; None where there are none.

        Raises:
            ValueError: for an empty beginning.
        """
        if not len(token_ids):
            raise ValueError(
                "The beginning is empty; expected at least one token (a "
                "tokenizer with <s>, or a prompt)."
            )
        before = np.asarray(token_ids, "int32")[:-1][-(self.num_places - 1) :]
        state = {
            "cache": self._empty(1),
            "tokens": np.zeros((1, self.num_places), "int32"),
            "filled": np.zeros(1, "int32"),
        }
        hidden = None
        if len(before):
            _, hidden, state = self._append(before[np.newaxis], state)
            hidden = np.repeat(hidden, rows, axis=0)
        return take_rows(state, np.zeros(rows, "int64")), hidden

    def step(self, token_ids, position, state):
        """See `decoding.token_scores`: logits `(R, V)` and the next state."""
        logits, _, state = self.step_hidden(token_ids, position, state)
        return logits, state

    def step_hidden(self, token_ids, position, state):
        """Likewise, with hidden vectors `(R, D)` between the two."""
        if state["filled"][0] == self.num_places:
            kept = state["tokens"][:, -(self.num_places // 2) :]
            _, _, state = self._append(
                kept,
                {
                    "cache": self._empty(len(kept)),
                    "tokens": np.zeros_like(state["tokens"]),
                    "filled": np.zeros_like(state["filled"]),
                },
            )
        new = np.asarray(token_ids, "int32")[:, np.newaxis]
        logits, hidden, state = self._append(new, state)
        return logits[:, -1], hidden[:, -1], state

    def _append(self, token_ids, state):
        filled = int(state["filled"][0])
        logits, hidden, cache = self._read(token_ids, filled, state["cache"])
        end = filled + token_ids.shape[1]
        tokens = state["tokens"].copy()
        tokens[:, filled:end] = token_ids
        state = {
            "cache": cache,
            "tokens": tokens,
            "filled": np.full_like(state["filled"], end),
        }
        return np.asarray(logits), np.asarray(hidden), state


def overlapping(length, most):
    """Windows over a text, and how much of each is only context.

    A window is `most` tokens and the one behind them. Every token but the
    first is scored in one window.

    Args:
        length: int, tokens there are.
        most: int, tokens that the model reads at once.

    Returns:
        list of (start, how many of the window's scores are of tokens that an
        earlier window scored).

    Example:
        >>> overlapping(10, 4)  # scores 1-4, 5-6, 7-8, 9
        [(0, 0), (2, 2), (4, 2), (6, 2)]
    """
    windows, start, scored = [], 0, 1
    while scored < length:
        windows.append((start, scored - start - 1))
        scored = start + most + 1
        start += most - most // 2
    return windows
