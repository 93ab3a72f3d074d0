"""How likely CTC finds the beginnings of texts. Numpy only.

For searches that go token by token (an attention decoder) and not frame by
frame, as `CtcPrefixBeam` does.

Shape letters: `B` utterances, `K` beam, `R = B K` rows, `T` frames, `V`
vocabulary (id 0 = blank), `C` candidates for a row's next token.
"""

import numpy as np

_NEVER = -1e30  # ln 0 where sums must stay finite


class CtcPrefixScores:
    """Probabilities of prefixes, extended by a token at a time.

    The prefix score of `g` is the sum over all texts that begin with `g`, over
    all their alignments. Kept of each prefix, for each frame `t`, are the
    probabilities that the frames up to `t` spell exactly `g`, its last token
    at `t` (n) or a blank (b). Extended by `c`:

        phi(t)     = b(t-1) + n(t-1), the latter unless g ends in c
        n'(t)      = (n'(t-1) + phi(t)) p(c, t)
        b'(t)      = (b'(t-1) + n'(t-1)) p(blank, t)
        psi(g c)   = sum_t phi(t) p(c, t)

    and the text ends as `g` with `n(T) + b(T)`. Everything in logarithms; the
    recursions over time are running sums, for all rows and candidates at once.

    Reference: Watanabe et al. 2017 (IEEE JSTSP 11-8), section III-B, algorithm
    2; Graves 2008 (PhD thesis), section 7.5.1.

    Args:
        log_probabilities: float array `(B, T, V)`.
        lengths: int array `(B,)`, valid frames, at least 1.
        rows_each: int >= 1, `K`, rows of each utterance, in a row.

    Raises:
        ValueError: for other shapes, NaN, or lengths out of their range.

    Example:
    ```python
    scores = CtcPrefixScores(frames, lengths, rows_each=8)
    state = scores.start()
    totals, ends, states = scores.extend(last, candidates, state)
    state = scores.choose(states, parents, places)
    ```
    """

    def __init__(self, log_probabilities, lengths, rows_each=1):
        frames = np.array(log_probabilities, "float64")
        lengths = np.asarray(lengths)
        if frames.ndim != 3 or np.isnan(frames).any() or rows_each < 1:
            raise ValueError(
                f"Received frames of shape {frames.shape}, "
                f"{np.isnan(frames).sum()} values NaN, and rows_each="
                f"{rows_each}; expected log-probabilities (utterances, frames, "
                "vocabulary) and at least 1."
            )
        if (
            lengths.shape != frames.shape[:1]
            or not ((lengths >= 1) & (lengths <= frames.shape[1])).all()
        ):
            raise ValueError(
                f"lengths={lengths!r}; expected {len(frames)} ints from 1 to "
                f"{frames.shape[1]}."
            )
        # No frame is impossible, so that running sums stay finite.
        frames = np.maximum(frames, -1e4)
        self._frames = frames.transpose(0, 2, 1)  # (B, V, T)
        self._sums = np.cumsum(self._frames, axis=-1)
        self._owner = np.repeat(np.arange(len(frames)), rows_each)  # (R,)
        self._last = lengths[self._owner] - 1  # (R,)
        self._valid = (
            np.arange(frames.shape[1]) < lengths[self._owner][:, None]
        )  # (R, T)

    def start(self):
        """The state of empty texts, float `(R, 2, T)`: n and b."""
        blank = self._sums[self._owner, 0]  # (R, T)
        return np.stack([np.full_like(blank, _NEVER), blank], axis=1)

    def ends(self, state):
        """Ln of the probability that each text is whole, float `(R,)`."""
        rows = np.arange(len(state))
        n, b = state[rows, 0, self._last], state[rows, 1, self._last]
        return np.logaddexp(n, b)

    def extend(self, last, candidates, state, is_empty=False):
        """Scores of each row's text with one of its candidates behind it.

        Args:
            last: int array `(R,)`, the token each text ends in.
            candidates: int array `(R, C)`, none of them 0.
            state: float array `(R, 2, T)`.
            is_empty: bool, the texts have no token yet.

        Returns:
            ln psi, float `(R, C)`, and states, float `(R, C, 2, T)`.
        """
        owner = self._owner[:, None]
        x = self._frames[owner, candidates]  # (R, C, T)
        sums = self._sums[owner, candidates]  # (R, C, T)
        blanks = self._sums[self._owner, 0][:, None]  # (R, 1, T)
        n, b = state[:, None, 0], state[:, None, 1]  # (R, 1, T)
        before = np.full(x.shape, _NEVER)
        repeats = (candidates == np.asarray(last)[:, None])[..., None]
        before[..., 1:] = np.where(repeats, b, np.logaddexp(n, b))[..., :-1]
        if is_empty:
            before[..., 0] = 0.0
        # n'(t) / P(t) = n'(t-1) / P(t-1) + phi(t) / P(t-1), P the product of
        # all p(c, t) so far: a running sum; b' likewise.
        own = np.logaddexp.accumulate(before - (sums - x), axis=-1) + sums
        past = np.full(x.shape, _NEVER)
        past[..., 1:] = own[..., :-1]
        blank_x = self._frames[self._owner, 0][:, None]
        closed = (
            np.logaddexp.accumulate(past - (blanks - blank_x), axis=-1) + blanks
        )
        terms = np.where(self._valid[:, None], before + x, _NEVER)
        peak = terms.max(axis=-1, keepdims=True)
        psi = peak[..., 0] + np.log(np.exp(terms - peak).sum(axis=-1))
        return psi, np.stack([own, closed], axis=2)

    @staticmethod
    def choose(states, rows, places):
        """The states of texts that go on: `(rows, places)` of `extend`'s."""
        return states[rows, places]
