"""Listens for a few words in speech of any kind, frame by frame. Numpy only.

Shape letters: `T` frames, `V` vocabulary, `S` states of a keyword's graph.
"""

from dataclasses import dataclass

import numpy as np

from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.ctc import checked_frames, softened
from keras_selfattn.decoding.token_graph import Speller, token_graph
from keras_selfattn.decoding.word_graph import word_graph

# Of frames in a row with a blank likelier than this, the first is looked at.
_SURE_BLANK = 0.99


@dataclass(frozen=True)
class Spotted:
    """A keyword that was heard.

    Args:
        keyword: str.
        first_frame, last_frame: int, where, from the beginning of the stream.
        score: float <= 0; ln of how much likelier these frames are with the
            keyword than with any letters at all, per token of it.
    """

    keyword: str
    first_frame: int
    last_frame: int
    score: float


class KeywordSpotter:
    """Finds keywords in a stream of frames.

    A keyword may begin at each frame. Its score there is the best alignment's
    log-probability less that of the best token of each frame (the filler), by
    the number of its tokens: 0 where the recogniser writes exactly the keyword.
    A keyword is heard when its score is at least the threshold and has not
    been bettered for `wait_frames`.

    Reference: Hannun 2017 (Sequence Modeling with CTC, distill.pub) for
    alignments; Rose and Paul 1990 for the ratio to a filler.

    Args:
        keywords: iterable of str; or dict of str to its threshold.
        vocabulary: list of str, 0 the blank.
        threshold: float <= 0, of keywords without one of their own.
        spellings: dict of keyword to further spellings, in which it is heard;
            see `token_graph.Speller`.
        left_out: float <= 0 or None; see `GrammarSearch`.
        other: float in [0, 1); see `GrammarSearch`.
        wait_frames: int >= 1.

    Example:
    ```python
    spotter = KeywordSpotter(["jarvis"], transcriber.vocabulary)
    for spotted in spotter.feed(log_probabilities):
        print(spotted.keyword, spotted.score)
    ```
    """

    def __init__(
        self,
        keywords,
        vocabulary,
        threshold=-1.0,
        spellings=None,
        left_out=-2.0,
        other=1e-3,
        wait_frames=10,
    ):
        if not isinstance(keywords, dict):
            keywords = dict.fromkeys(keywords, threshold)
        if not keywords or any(limit > 0 for limit in keywords.values()):
            raise ValueError(
                f"keywords={keywords!r}; expected at least one, and thresholds "
                "of at most 0."
            )
        if not 0 <= other < 1 or wait_frames < 1:
            raise ValueError(
                f"other={other}, wait_frames={wait_frames}; expected [0, 1) "
                "and at least 1."
            )
        self._size, self._other = len(vocabulary), other
        self._wait = wait_frames
        self._log_sure_blank = np.log(_SURE_BLANK)
        speller = Speller(vocabulary, spellings)
        self._keywords = [
            _Keyword(word, limit, speller, self._size, left_out)
            for word, limit in keywords.items()
        ]
        self.reset()

    def reset(self):
        """Forgets all frames."""
        self.num_frames, self._was_blank = 0, False
        for keyword in self._keywords:
            keyword.reset()

    def feed(self, log_probabilities):
        """Takes frames; gives what was heard by now.

        Args:
            log_probabilities: float array `(T, V)`, any T.

        Returns:
            list of Spotted, in the order in which they end.
        """
        ratios = self._ratios(log_probabilities)
        sure = np.asarray(log_probabilities)[:, 0] > self._log_sure_blank
        found = []
        for frame, ratio in enumerate(ratios, self.num_frames):
            blank = bool(sure[frame - self.num_frames])
            for keyword in self._keywords:
                if not (blank and self._was_blank):
                    keyword.step(frame, ratio)
                heard = keyword.heard(frame - self._wait)
                if heard is not None:
                    found.append(heard)
            self._was_blank = blank
        self.num_frames += len(ratios)
        return found

    def finish(self):
        """What is heard if nothing more comes; list of Spotted."""
        found = [k.heard(self.num_frames) for k in self._keywords]
        return [heard for heard in found if heard is not None]

    def best_scores(self):
        """Dict of each keyword to its score at the last frame."""
        return {k.text: k.score for k in self._keywords}

    def _ratios(self, log_probabilities):
        """float32 `(T, V)`: ln p less that of the frame's best token."""
        frames = checked_frames(log_probabilities, self._size)
        logs = np.log(softened(frames, self._other))
        return logs - logs.max(axis=1, keepdims=True, initial=-np.inf)


class _Keyword:
    """One keyword's states, and the best end of it that waits."""

    def __init__(self, text, threshold, speller, any_speech, left_out):
        self.text, self.threshold = text, threshold
        rule = jsgf.Word(text)
        grammar = jsgf.Grammar("keyword", {"<word>": rule}, ("<word>",))
        graph = word_graph(grammar)
        self._graph = token_graph(graph, speller, any_speech, left_out)
        self._length = len(speller.tokens(text))
        # A keyword does not begin with nothing, and ends with a token.
        tokens = self._graph.labels > 0
        self._starts = np.where(tokens, self._graph.log_starts, -np.inf)
        self._ends = np.where(tokens, self._graph.log_ends, -np.inf)
        self._targets = np.repeat(
            np.arange(len(tokens)),
            np.diff(
                np.append(self._graph.first_edges, len(self._graph.sources))
            ),
        )
        self.reset()

    def reset(self):
        count = len(self._graph.labels)
        self._scores = np.full(count, -np.inf, "float32")
        self._begins = np.full(count, -1)
        self.score, self._best = -np.inf, None
        self._quiet_until = -1

    def step(self, frame, ratio):
        graph = self._graph
        arriving = self._scores[graph.sources] + graph.log_weights
        best = np.maximum.reduceat(arriving, graph.first_edges)
        begins = np.where(
            arriving == best[self._targets], self._begins[graph.sources], -1
        )
        begins = np.maximum.reduceat(begins, graph.first_edges)
        anew = self._starts > best
        self._begins = np.where(anew, frame, begins)
        best = np.where(anew, self._starts, best)
        self._scores = best + ratio[graph.labels]
        ends = self._scores + self._ends
        end = int(np.argmax(ends))
        self.score = float(ends[end]) / self._length
        begin = int(self._begins[end])
        if self.score < self.threshold or begin <= self._quiet_until:
            return
        if self._best is None or self.score > self._best.score:
            self._best = Spotted(self.text, begin, frame, self.score)

    def heard(self, frame):
        """The best end, if it lies at `frame` or before; and forgets it."""
        found = self._best
        if found is None or found.last_frame > frame:
            return None
        # The same sound is not heard twice.
        self._best, self._quiet_until = None, found.last_frame
        return found
