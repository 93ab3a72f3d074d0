"""CTC prefix beam search, frame by frame. Numpy only.

Shape letters: `T` frames, `V` vocabulary.
"""

import math
from dataclasses import dataclass

import numpy as np

from keras_selfattn.decoding.ctc import checked_frames
from keras_selfattn.decoding.text_scorer import TextScorer, piece_texts


@dataclass(frozen=True)
class Hypothesis:
    """One text that a search has found.

    Args:
        token_ids: list of int, without blanks.
        score: float, what texts are ranked by: `log_prob` and what the
            `TextScorer` adds.
        log_prob: float, ln of the probability of the tokens by sound, over all
            alignments that the beam has kept.
    """

    token_ids: list
    score: float
    log_prob: float


class _Prefix:
    """A text so far, with the probabilities that it ends in a blank or not.

    Probabilities are relative to the best one of the frame.
    """

    __slots__ = (
        "ends_blank",
        "ends_token",
        "next_blank",
        "next_token",
        "parent",
        "token",
        "children",
        "state",
        "living",
    )

    def __init__(self, parent, token, state):
        self.parent, self.token, self.state = parent, token, state
        self.children = {}
        self.ends_blank = self.ends_token = 0.0
        self.next_blank = self.next_token = 0.0
        self.living = False

    def tokens(self):
        found, prefix = [], self
        while prefix.parent is not None:
            found.append(prefix.token)
            prefix = prefix.parent
        return found[::-1]


class CtcPrefixBeam:
    """Keeps the likeliest texts while frames come in.

    The probability of a text is the sum over its alignments; two values are
    kept of each text, for alignments that end in a blank and in its last token.
    Frames that are surely blank only move the former. A new text is looked at
    only where the token is among the best of its frame.

    Reference: Hannun et al. 2014 (arXiv:1408.2873), algorithm 1. Here the text
    scores rank the beam and do not enter the sums.

    Args:
        vocabulary: list of str, token 0 the blank; U+2581 begins a word.
        scorer: TextScorer, or None for sound alone.
        beam_size: int >= 1, texts kept.
        beam_log_width: float > 0; texts whose score is this far below the best
            one are dropped.
        token_log_width: float > 0; in each frame, tokens this far below its
            best one start no new text.
        max_tokens: int >= 1, at most this many tokens are tried a frame.
        sure_blank: float in (0, 1]; frames with a blank likelier than this
            end no text.

    Example:
    ```python
    search = CtcPrefixBeam(["<blank>", " ", "a", "b"])
    search.feed(log_probabilities)  # (T, V), as often as frames come
    print(search.text(), search.finish()[0].token_ids)
    ```
    """

    def __init__(
        self,
        vocabulary,
        scorer=None,
        beam_size=16,
        beam_log_width=10.0,
        token_log_width=6.0,
        max_tokens=12,
        sure_blank=0.999,
    ):
        if beam_size < 1 or max_tokens < 1 or not 0 < sure_blank <= 1:
            raise ValueError(
                f"beam_size={beam_size}, max_tokens={max_tokens}, sure_blank="
                f"{sure_blank}; expected at least 1, at least 1, and in (0, 1]."
            )
        if beam_log_width <= 0 or token_log_width <= 0:
            raise ValueError(
                f"beam_log_width={beam_log_width}, token_log_width="
                f"{token_log_width}; expected numbers above 0."
            )
        self._texts = piece_texts(vocabulary)
        self._scorer = TextScorer() if scorer is None else scorer
        self._beam_size, self._max_tokens = beam_size, max_tokens
        self._beam_width = beam_log_width
        self._token_width = token_log_width
        self._sure_blank = sure_blank
        self.reset()

    def reset(self):
        """Forgets all frames: the next one begins a text."""
        root = _Prefix(None, 0, self._scorer.start())
        root.ends_blank, root.living = 1.0, True
        self._beam = [root]
        self._offset = 0.0  # ln of what relative probabilities are relative to
        self.num_frames = 0

    def feed(self, log_probabilities):
        """Takes frames, as many or as few as there are.

        Args:
            log_probabilities: float array `(T, V)`.

        Raises:
            ValueError: another shape, or NaN; the search has not changed.
        """
        frames = checked_frames(log_probabilities, len(self._texts), "float64")
        if not len(frames):
            return
        probabilities = np.exp(frames)  # (T, V)
        order = np.argsort(-frames[:, 1:], axis=1, kind="stable") + 1
        order = order[:, : self._max_tokens]
        tried = np.take_along_axis(frames, order, axis=1)
        counts = np.sum(
            tried >= frames.max(axis=1, keepdims=True) - self._token_width,
            axis=1,
        )
        sure = probabilities[:, 0] > self._sure_blank
        for row, tokens, count, blank in zip(
            probabilities.tolist(), order.tolist(), counts.tolist(), sure
        ):
            if blank:
                self._pass_blank(row[0])
            else:
                self._take(row, tokens[:count])
        self.num_frames += len(frames)

    def _pass_blank(self, probability):
        for prefix in self._beam:
            prefix.ends_blank += prefix.ends_token
            prefix.ends_token = 0.0
        self._offset += math.log(probability)

    def _take(self, row, tokens):
        beam, texts, blank = self._beam, self._texts, row[0]
        best = max(
            math.log(prefix.ends_blank + prefix.ends_token) + prefix.state.score
            for prefix in beam
        )
        # Even with what is dearest in this frame, below this it would be
        # dropped afterwards.
        floor = best + math.log(max(blank, row[tokens[0]] if tokens else 0.0))
        floor -= self._beam_width
        found, advance = list(beam), self._scorer.advance
        for prefix in beam:
            ends_token = prefix.ends_token
            total = prefix.ends_blank + ends_token
            prefix.next_blank += total * blank
            last, children = prefix.token, prefix.children
            if prefix.parent is not None:
                prefix.next_token += ends_token * row[last]
            score = prefix.state.score
            for token in tokens:
                # The same token again is a new one after a blank only.
                base = total if token != last else prefix.ends_blank
                value = base * row[token]
                if not value or math.log(value) + score < floor:
                    continue
                child = children.get(token)
                if child is None:
                    state = advance(prefix.state, texts[token])
                    child = _Prefix(prefix, token, state)
                    children[token] = child
                    found.append(child)
                elif not child.living and not child.next_token:
                    found.append(child)
                child.next_token += value
        self._keep_best(found)

    def _keep_best(self, found):
        ranked = []
        for prefix in found:
            prefix.ends_blank = prefix.next_blank
            prefix.ends_token = prefix.next_token
            prefix.next_blank = prefix.next_token = 0.0
            total = prefix.ends_blank + prefix.ends_token
            prefix.living = False
            score = -math.inf
            if total > 0.0:
                score = math.log(total) + prefix.state.score
            ranked.append((score, prefix))
        ranked.sort(key=lambda pair: -pair[0])
        limit = ranked[0][0] - self._beam_width
        self._beam = beam = []
        for score, prefix in ranked[: self._beam_size]:
            if score < limit or score == -math.inf:
                break
            prefix.living = True
            beam.append(prefix)
        if not beam:  # every token of the frame was impossible
            raise ValueError("A frame gives no token any probability.")
        for _, prefix in ranked[len(beam) :]:
            self._let_go(prefix)
        largest = max(p.ends_blank + p.ends_token for p in beam)
        for prefix in beam:
            prefix.ends_blank /= largest
            prefix.ends_token /= largest
        self._offset += math.log(largest)

    def _let_go(self, prefix):
        """Takes dropped texts that no kept one goes on from off the tree."""
        prefix.ends_blank = prefix.ends_token = 0.0
        while not (prefix.living or prefix.children) and prefix.parent:
            del prefix.parent.children[prefix.token]
            prefix, gone = prefix.parent, prefix
            gone.parent = None

    def token_ids(self):
        """The tokens of the best text as it stands, list of int."""
        return self._best_prefix().tokens()

    def text(self):
        """The best text as it stands."""
        return self.text_of(self.token_ids())

    def text_of(self, token_ids):
        """The text of tokens, single blanks between its words."""
        text = "".join(self._texts[token] for token in token_ids)
        return " ".join(text.split())

    def _best_prefix(self):
        return max(
            self._beam,
            key=lambda p: math.log(p.ends_blank + p.ends_token) + p.state.score,
        )

    def finish(self, num_best=1):
        """The best texts if the utterance ends here.

        The search stays as it is, so that more frames may follow.

        Args:
            num_best: int >= 1.

        Returns:
            list of at most `num_best` `Hypothesis`, best first. Texts that
            differ in blanks at their ends only are one.
        """
        found = {}
        for prefix in self._beam:
            total = math.log(prefix.ends_blank + prefix.ends_token)
            log_prob = self._offset + total
            tokens = prefix.tokens()
            text = self.text_of(tokens)
            score = log_prob + self._scorer.finish(prefix.state)
            hypothesis = Hypothesis(tokens, score, log_prob)
            other = found.get(text)
            if other is None or other.score < score:
                found[text] = hypothesis
        ranked = sorted(found.values(), key=lambda h: -h.score)
        return ranked[:num_best]
