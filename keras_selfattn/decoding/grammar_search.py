"""What a grammar allows, and nothing else, from CTC frames. Numpy only.

Shape letters: `T` frames, `V` vocabulary.
"""

from dataclasses import dataclass, replace

import numpy as np

from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.ctc import checked_frames, softened
from keras_selfattn.decoding.token_graph import Speller, token_graph
from keras_selfattn.decoding.word_graph import word_graph


@dataclass(frozen=True)
class Match:
    """The sentence of a grammar that fits the sound best.

    Args:
        words: list of (word, first frame, last frame).
        slots: dict of a tag's name to its value. Of a slot that is filled
            twice, the last.
        score: float <= 0, ln of how much likelier the sound is with this
            sentence than with any letters at all, per token; the grammar's
            weights are not in it.
        frames: int32 `(T,)`, tokens as they were aligned, each where it begins.
    """

    words: list
    slots: dict
    score: float
    frames: np.ndarray

    @property
    def text(self):
        """The words with blanks between them."""
        return " ".join(word for word, _, _ in self.words)


class GrammarSearch:
    """Finds the sentence of a grammar that frames say.

    The best way through the graph of the grammar's tokens (Viterbi). A
    recogniser that is not sure of a word leaves letters out, writes others or
    adds some; each of these has a price here, so that a sentence is still
    found, and the words that were heard best decide.

    Args:
        grammar: jsgf.Grammar.
        vocabulary: list of str, 0 the blank; see `Speller`.
        spellings: dict of word to further spellings; see `Speller`.
        left_out: float <= 0 or None, log-probability of a letter that is not
            there; None forbids it, and so do further spellings of a word.
        other: float in [0, 1), probability that is shared among all tokens.
        added: float in [0, 1), how likely a letter that is there counts as
            nothing.
        garbage: float >= 0, what a frame of `<GARBAGE>` costs.
        grammar_weight: float >= 0, by which the grammar's log weights count.
        word_bonus: float, for each word: a recogniser that drops letters
            prefers short sentences.
        sure_blank: float in (0, 1]; of frames in a row with a blank likelier
            than this, one is looked at.

    Raises:
        GrammarError: the grammar allows nothing, or has a word that the
            vocabulary cannot spell.

    Example:
    ```python
    search = GrammarSearch(jsgf.read("coffee.jsgf"), transcriber.vocabulary)
    match = search.search(log_probabilities)
    if match and match.score > -1.0:
        print(match.text, match.slots)
    ```
    """

    def __init__(
        self,
        grammar,
        vocabulary,
        spellings=None,
        left_out=-2.0,
        other=1e-3,
        added=0.0,
        garbage=2.0,
        grammar_weight=1.0,
        word_bonus=2.0,
        sure_blank=0.99,
    ):
        if not (0 <= other < 1 and 0 <= added < 1 and garbage >= 0):
            raise ValueError(
                f"other={other}, added={added}, garbage={garbage}; expected "
                "[0, 1), [0, 1), and a number >= 0."
            )
        self._size = len(vocabulary)
        self._other, self._added, self._garbage = other, added, garbage
        self._sure_blank = sure_blank
        graph = word_graph(grammar)
        arcs = tuple(
            replace(
                arc, log_weight=grammar_weight * arc.log_weight + word_bonus
            )
            for arc in graph.arcs
        )
        self.graph = replace(graph, arcs=arcs)
        self._weights = {
            (arc.source, arc.target, arc.word, arc.marks): arc.log_weight
            for arc in arcs
        }
        speller = Speller(vocabulary, spellings)
        self._states = token_graph(self.graph, speller, self._size, left_out)

    def search(self, log_probabilities):
        """The best `Match`, or None: too few frames, or none at all.

        Args:
            log_probabilities: float array `(T, V)`.

        Raises:
            ValueError: another shape, or NaN.
        """
        frames = checked_frames(log_probabilities, self._size)
        if not len(frames):
            return None
        emissions = self.emissions(frames)
        kept = self._worth_looking_at(frames)
        path, log_prob = self._states.best_path(emissions[kept])
        if path is None:  # too few are left
            kept = np.arange(len(frames))
            path, log_prob = self._states.best_path(emissions)
        if path is None:
            return None
        return self._match(path, log_prob, emissions[kept], kept, len(frames))

    def _worth_looking_at(self, frames):
        """Frames but for all but the first of each run of sure blanks."""
        sure = frames[:, 0] > np.log(self._sure_blank)
        again = np.append(False, sure[1:] & sure[:-1])
        return np.flatnonzero(~again)

    def emissions(self, log_probabilities):
        """float32 `(T, V + 1)`: with prices, and any speech in the last."""
        soft = softened(log_probabilities, self._other)
        soft[:, 0] += self._added * (1.0 - soft[:, 0])
        speech = np.log(soft[:, 1:].sum(axis=1)) - self._garbage
        return np.concatenate([np.log(soft), speech[:, np.newaxis]], axis=1)

    def _match(self, path, log_prob, emissions, kept, num_frames):
        words, slots, opened, prior, place = [], {}, [], 0.0, 0
        graph, states = self.graph, self._states

        def read(marks):
            for mark in marks:
                if mark.opens:
                    opened.append(len(words))
                    continue
                first, value = opened.pop(), mark.value
                if value is None:
                    value = " ".join(word for word, _, _ in words[first:])
                slots[mark.name] = value

        labels = states.labels[path]
        changes = np.append(True, path[1:] != path[:-1])
        is_token = (labels > 0) & (labels < self._size)
        for frame in np.flatnonzero(labels > 0).tolist():
            arc = int(states.arcs[path[frame]])
            if changes[frame] and arc >= 0:
                found = graph.arcs[arc]
                read(found.marks)
                # One state serves arcs from several places.
                key = (place, found.target, found.word, found.marks)
                prior += self._weights[key]
                place, word = found.target, found.word
                inside = word != jsgf.GARBAGE
                if inside:
                    words.append((word, int(kept[frame]), int(kept[frame])))
            elif inside and not self._is_separator(labels[frame]):
                words[-1] = (*words[-1][:2], int(kept[frame]))
        ends = graph.ends[int(states.end_places[path[-1]])]
        weight, marks = max(ends, key=lambda way: way[0])
        read(marks)
        begins = changes & is_token
        frames = np.zeros(num_frames, "int32")
        frames[kept[begins]] = labels[begins]
        free = float(emissions[:, : self._size].max(axis=1).sum())
        sound = log_prob - prior - weight
        score = (sound - free) / max(1, int(begins.sum()))
        return Match(words, slots, float(score), frames)

    def _is_separator(self, label):
        return label == self._states.separator
