"""The best texts by a decoder, CTC and a language model together. Numpy only.

Shape letters: `B` utterances, `K` beam, `R = B K` rows, `T` frames, `V`
vocabulary, `C` candidates for a row's next token.
"""

import numpy as np

from keras_selfattn.decoding.ctc_prefix_scores import CtcPrefixScores
from keras_selfattn.decoding.text_scorer import piece_texts
from keras_selfattn.decoding.token_scores import (
    log_probabilities,
    row_limits,
    take_rows,
)

_BOUNDARY = 0  # to the decoder: before and behind a text
# A search ends when what goes on is so far behind the best text that ended.
# Scores only fall, but for the bonuses of words to come.
_MARGIN = 3.0


def joint_search(
    step,
    state,
    frames,
    lengths,
    texts=(),
    beam_size=8,
    ctc_weight=0.4,
    scorer=None,
    language_step=None,
    language_state=None,
    language_weight=0.3,
    token_bonus=0.0,
    num_candidates=16,
    max_length=None,
):
    """Keeps the best beginnings of each text by all that speaks for them.

        (1 - w) ln p_decoder + w ln p_CTC + language model + bonus

    where CTC's part is the prefix score, `CtcPrefixScores`, until a text ends,
    and then that of the whole text. The decoder alone may skip or repeat words
    and is sure of ends that are none; CTC forbids what no alignment supports.

    Reference: Watanabe et al. 2017 (IEEE JSTSP 11-8), section III-B,
    algorithm 1; shallow fusion: Hori et al. 2017 (arXiv:1706.02737), section
    3.3.

    Args:
        step: step function of the decoder, see `token_scores`, asked for `R`
            rows; token 0 stands before every text and ends it.
        state: its state before the first token, for `R` rows: those of one
            utterance follow one another and are alike.
        frames: float array `(B, T, V)`, log-probabilities of CTC.
        lengths: int array `(B,)`, valid frames.
        texts: list of str, the vocabulary, for `scorer`.
        beam_size: int >= 1, `K`.
        ctc_weight: float in [0, 1], `w`; 0: the decoder alone.
        scorer: `TextScorer`, or None.
        language_step: step function of a language model of the same tokens
            (0 before and behind a text), or None.
        language_state: its state, as `state`.
        language_weight: float >= 0, of the language model's logarithms.
        token_bonus: float, for each token.
        num_candidates: int >= 1, tokens that are looked at a row; those that
            decoder and language model like best.
        max_length: int, or int array `(B,)`, tokens; default: the frames.

    Returns:
        for each utterance the best text: a pair of int32 array of tokens
        (without the end), and score.

    Raises:
        ValueError: for a setting out of its range, or as the parts do.
    """
    if beam_size < 1 or num_candidates < 1 or not 0 <= ctc_weight <= 1:
        raise ValueError(
            f"beam_size={beam_size}, num_candidates={num_candidates}, "
            f"ctc_weight={ctc_weight}; expected at least 1, at least 1, and "
            "0 to 1."
        )
    if language_weight < 0:
        raise ValueError(f"language_weight={language_weight}; expected >= 0.")
    count = len(frames)
    limits = row_limits(lengths if max_length is None else max_length, count)
    ctc = CtcPrefixScores(frames, lengths, beam_size)
    beams = _Beams(count, beam_size, scorer, piece_texts(texts))
    ctc_state = ctc.start()
    last = np.full(count * beam_size, _BOUNDARY, "int32")
    for position in range(limits.max() + 1):
        logits, state = step(last, position, state)
        local = (1 - ctc_weight) * log_probabilities(logits)  # (R, V)
        if language_step is not None:
            logits, language_state = language_step(
                last, position, language_state
            )
            local += language_weight * log_probabilities(logits)
        totals = beams.totals[:, None] + local
        ends = totals[:, _BOUNDARY] + ctc_weight * ctc.ends(ctc_state)
        beams.end(ends, position >= limits, position)
        if not beams.running.any():
            break
        totals[:, _BOUNDARY] = -np.inf
        chosen = min(num_candidates, totals.shape[1] - 1)
        candidates = np.argpartition(-totals, chosen - 1, axis=1)[:, :chosen]
        scores = np.take_along_axis(totals, candidates, axis=1) + token_bonus
        psi, ctc_states = ctc.extend(
            last, candidates, ctc_state, is_empty=position == 0
        )
        parents, places = beams.grow(scores, ctc_weight * psi, candidates)
        last = candidates[parents, places].astype("int32")
        ctc_state = ctc.choose(ctc_states, parents, places)
        state = take_rows(state, parents)
        language_state = take_rows(language_state, parents)
    return beams.best


class _Beams:
    """The texts of all utterances: running ones, and the best ended one.

    `totals` leaves out CTC, whose score of a text is not a sum of its tokens'.
    """

    def __init__(self, count, beam, scorer, pieces):
        self._beam = beam
        self._scorer, self._pieces = scorer, pieces
        self.totals = np.full((count, beam), -np.inf)
        self.totals[:, 0] = 0.0  # a piece's rows begin alike: one may go on
        self.totals = self.totals.ravel()  # (R,)
        self.running = np.ones(count, bool)
        self.best = [(np.zeros(0, "int32"), -np.inf)] * count
        self._tokens = [()] * (count * beam)
        first = None if scorer is None else scorer.start()
        self._states = [first] * (count * beam)

    def end(self, ends, at_limit, length):
        """Takes note of texts that end here; stops where none can be better."""
        for row in np.flatnonzero(np.isfinite(ends)):
            owner = row // self._beam
            if not self.running[owner]:
                continue
            score = float(ends[row])
            if self._scorer is not None:
                score += self._scorer.finish(self._states[row])
            if score > self.best[owner][1]:
                tokens = np.array(self._tokens[row], "int32")
                self.best[owner] = tokens, score
        self.running &= ~at_limit

    def grow(self, scores, psi, candidates):
        """The best continuations of each utterance.

        Args:
            scores: float `(R, C)`, without CTC and texts.
            psi: float `(R, C)`, CTC's part.
            candidates: int `(R, C)`.

        Returns:
            int `(R,)` twice: the row each one continues, and the candidate.
        """
        rows, width = scores.shape
        whole = scores + psi
        texts = None
        if self._scorer is not None:
            texts, worth = self._advance(whole, candidates)
            whole = whole + worth
        beam = self._beam
        flat = whole.reshape(-1, beam * width)
        order = np.argsort(-flat, axis=1, kind="stable")[:, :beam]
        best = np.take_along_axis(flat, order, axis=1)[:, 0]
        parents = order // width + beam * np.arange(len(flat))[:, None]
        parents, places = parents.ravel(), (order % width).ravel()
        ended = np.array([score for _, score in self.best])
        self.running &= best > ended - _MARGIN
        tokens = candidates[parents, places]
        self.totals = scores[parents, places]
        self._tokens = [
            (*self._tokens[parent], int(token))
            for parent, token in zip(parents, tokens)
        ]
        if texts is not None:
            self._states = [
                texts.get((parent, place), self._states[parent])
                for parent, place in zip(parents.tolist(), places.tolist())
            ]
        return parents, places

    def _advance(self, whole, candidates):
        """Scorer states of candidates, and what they add."""
        found, worth = {}, np.zeros(whole.shape)
        for row, place in zip(*np.nonzero(np.isfinite(whole))):
            if not self.running[row // self._beam]:
                continue
            piece = self._pieces[candidates[row, place]]
            state = self._scorer.advance(self._states[row], piece)
            found[int(row), int(place)] = state
            worth[row, place] = state.score
        return found, worth
