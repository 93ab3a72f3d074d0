"""A word graph as the states that CTC frames pass through. Numpy only.

Each place between tokens is a state that takes blanks; each token of each word
is a state that takes this token, as often as it lasts. Equal tokens need a
blank between them. Reference: Graves et al. 2006, section 4.1, for one text;
here for a graph of texts.

Shape letters: `T` frames, `V` vocabulary, `S` states, `E` edges.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from keras_selfattn.decoding import jsgf
from keras_selfattn.decoding.ctc import WORD_START

_BLANK = 0


@dataclass(frozen=True)
class TokenGraph:
    """States and what leads to each.

    Args:
        labels: int `(S,)`, the token a state takes: 0 the blank, `V` speech of
            any kind.
        sources: int `(E,)`, sorted by target; every state follows itself.
        log_weights: float32 `(E,)`.
        first_edges: int `(S,)`, where the edges to a state begin.
        log_starts: float32 `(S,)`, -inf where one may not begin.
        log_ends: float32 `(S,)`, -inf where one may not end.
        arcs: int `(S,)`, index of the word arc that begins here, -1 for none.
        end_places: int `(S,)`, place of the word graph that an end is at.
        separator: int, the token between words, or None.
    """

    labels: np.ndarray
    sources: np.ndarray
    log_weights: np.ndarray
    first_edges: np.ndarray
    log_starts: np.ndarray
    log_ends: np.ndarray
    arcs: np.ndarray
    end_places: np.ndarray
    separator: int | None

    @cached_property
    def _step(self):
        return _Step(self)

    def best_path(self, emissions):
        """The likeliest way through all frames.

        Args:
            emissions: float array `(T, V + 1)`, log-probabilities.

        Returns:
            `(states, log_prob)`: int array `(T,)`, or None where no way is
            long enough or short enough, and float.
        """
        frames = np.asarray(emissions, "float32")[:, self.labels]  # (T, S)
        scores = np.empty_like(frames)
        scores[0] = self.log_starts + frames[0]
        step = self._step
        for frame in range(1, len(frames)):
            step(scores[frame - 1], scores[frame])
            scores[frame] += frames[frame]
        final = scores[-1] + self.log_ends
        state = int(np.argmax(final))
        log_prob = float(final[state])
        if log_prob == -np.inf:
            return None, log_prob
        states = np.empty(len(frames), "int64")
        states[-1] = state
        stops = np.append(self.first_edges[1:], len(self.sources))
        for frame in range(len(frames) - 1, 0, -1):
            edges = slice(self.first_edges[state], stops[state])
            sources = self.sources[edges]
            arriving = scores[frame - 1][sources] + self.log_weights[edges]
            state = int(sources[np.argmax(arriving)])
            states[frame - 1] = state
        return states, log_prob


class _Step:
    """The best that arrives at each state.

    Nearly all states have few edges: these are looked up slot by slot, which
    is many times faster than `maximum.reduceat` over all of them.
    """

    SLOTS = 3  # besides a state itself

    def __init__(self, graph):
        states = np.arange(len(graph.labels))
        edges = np.append(graph.first_edges, len(graph.sources))
        targets = np.repeat(states, np.diff(edges))
        others = np.flatnonzero(graph.sources != targets)
        targets = targets[others]
        sources, weights = graph.sources[others], graph.log_weights[others]
        slots = np.arange(len(others)) - np.searchsorted(targets, targets)
        counts = np.bincount(targets, minlength=len(states))
        many = counts > self.SLOTS
        self._slots = []
        for slot in range(self.SLOTS):
            chosen = (slots == slot) & ~many[targets]
            rows, costs = (
                states.copy(),
                np.full(len(states), -np.inf, "float32"),
            )
            rows[targets[chosen]] = sources[chosen]
            costs[targets[chosen]] = weights[chosen]
            self._slots.append((rows, costs))
        self._many = np.flatnonzero(many)
        chosen = many[targets]
        self._sources, self._weights = sources[chosen], weights[chosen]
        self._firsts = np.searchsorted(targets[chosen], self._many)

    def __call__(self, before, out):
        np.copyto(out, before)
        for sources, weights in self._slots:
            arriving = before.take(sources)
            arriving += weights
            np.maximum(out, arriving, out=out)
        if len(self._many):
            arriving = before.take(self._sources)
            arriving += self._weights
            best = np.maximum.reduceat(arriving, self._firsts)
            out[self._many] = np.maximum(out[self._many], best)


class Speller:
    """How words are spelled in a vocabulary.

    Args:
        vocabulary: list of str, 0 the blank; single characters with a blank
            among them, or pieces where U+2581 begins a word.
        spellings: dict of word to a list of other spellings, in which it is
            heard, or to a dict of spelling to log weight; the word itself, as
            it is written, always counts, with log weight 0.
    """

    def __init__(self, vocabulary, spellings=None):
        ids = {piece: n for n, piece in enumerate(vocabulary) if n}
        self.in_pieces = any(WORD_START in piece for piece in ids)
        self._ids = ids
        self.separator = None if self.in_pieces else ids.get(" ")
        self._longest = max(map(len, ids), default=0)
        self._spellings = {}
        for word, others in (spellings or {}).items():
            if not isinstance(others, dict):
                others = dict.fromkeys(others, 0.0)
            self._spellings[word] = others

    def __call__(self, word):
        """The spellings of a word.

        Returns:
            list of (token ids, log weight).

        Raises:
            GrammarError: a character is not in the vocabulary.
        """
        texts = {word: 0.0, **self._spellings.get(word, {})}
        return [(self.tokens(text), weight) for text, weight in texts.items()]

    def tokens(self, word):
        """The token ids of one spelling; it may hold blanks."""
        if not self.in_pieces:
            return [self._id(character, word) for character in word]
        text = "".join(WORD_START + part for part in word.split())
        tokens, place = [], 0
        while place < len(text):
            for end in range(min(len(text), place + self._longest), place, -1):
                if text[place:end] in self._ids:
                    break
            else:
                end = place + 1
            tokens.append(self._id(text[place:end], word))
            place = end
        return tokens

    def _id(self, piece, word):
        if piece not in self._ids:
            raise jsgf.GrammarError(
                f"{word!r} cannot be spelled: the recogniser's vocabulary has "
                f"no {piece!r}. Write words as it does (lower case, numbers "
                "as words)."
            )
        return self._ids[piece]


class _Places:
    """Places between tokens and the token arcs that connect them."""

    def __init__(self):
        self.out = []  # of each place: (arc, log weight)
        self.targets, self.labels, self.words = [], [], []

    def new(self):
        self.out.append([])
        return len(self.out) - 1

    def arc(self, target, label, word=-1):
        self.targets.append(target)
        self.labels.append(label)
        self.words.append(word)
        return len(self.targets) - 1

    def chain(self, tokens, target, word, left_out):
        """Adds the arcs of one spelling, up to `target`.

        Args:
            tokens: list of int.
            target: int, place.
            word: int, the word arc that they spell.
            left_out: float, or None: log-probability of a token that is not
                there, at most two in a row and never all.

        Returns:
            list of (arc, log weight): what one may begin with.
        """
        most, price = (0, 0.0) if left_out is None else (2, left_out)
        inside = [self.new() for _ in tokens[1:]] + [target]
        entries = []
        for place, token in enumerate(tokens):
            rest = len(tokens) - 1 - place
            for after in {0, rest} if rest <= most else {0}:
                where = inside[place + after]
                if place <= most:
                    arc = self.arc(where, token, word)
                    entries.append((arc, (place + after) * price))
                if place:
                    arc = self.arc(where, token)
                for before in range(min(place, most + 1)):
                    self.out[inside[place - 1 - before]].append(
                        (arc, (before + after) * price)
                    )
        return entries


def token_graph(graph, speller, any_speech, left_out=None):
    """The states of a word graph.

    Args:
        graph: WordGraph.
        speller: Speller.
        any_speech: int, the label of `jsgf.GARBAGE`: `V`.
        left_out: float <= 0, or None; log-probability of a token that is not
            there, at most two in a row and not all of a word; of words with
            one spelling only.

    Returns:
        TokenGraph.

    Raises:
        GrammarError: a word cannot be spelled.
    """
    places = _Places()
    begins = [places.new() for _ in range(graph.num_places)]
    ends = begins
    if speller.separator is not None:
        ends = [places.new() for _ in range(graph.num_places)]
        for begin, end in zip(begins, ends):
            arc = places.arc(begin, speller.separator)
            places.out[end].append((arc, 0.0))
    spelled = {word: speller(word) for word in graph.words}
    entries = {}
    for number, arc in enumerate(graph.arcs):
        key = (arc.word, arc.target, arc.marks)
        source, target = begins[arc.source], ends[arc.target]
        if key not in entries:
            if arc.word == jsgf.GARBAGE:
                ways = {target, begins[arc.target]}
                entries[key] = [
                    (places.arc(way, any_speech, number), 0.0) for way in ways
                ]
            else:
                # How the word is heard is known better than that.
                price = left_out if len(spelled[arc.word]) == 1 else None
                entries[key] = [
                    (first, weight + more)
                    for tokens, weight in spelled[arc.word]
                    for first, more in places.chain(
                        tokens, target, number, price
                    )
                ]
        for first, weight in entries[key]:
            places.out[source].append((first, weight + arc.log_weight))
    stops = {}
    for place, found in graph.ends.items():
        best = max(weight for weight, _ in found)
        stops[ends[place]] = (best, place)
        if place == 0:
            stops[begins[0]] = (best, place)
    return _states(places, begins[0], stops, speller.separator)


def _states(places, start, stops, separator):
    """States: the arcs first, then the places between them."""
    num_arcs, num_places = len(places.targets), len(places.out)
    count = num_arcs + num_places
    labels = np.array(places.labels + [_BLANK] * num_places)
    edges = [(state, state, 0.0) for state in range(count)]
    log_starts = np.full(count, -np.inf, "float32")
    log_ends = np.full(count, -np.inf, "float32")
    end_places = np.full(count, -1)
    log_starts[num_arcs + start] = 0.0
    for arc, weight in places.out[start]:
        log_starts[arc] = weight
    for place, arcs in enumerate(places.out):
        for arc, weight in arcs:
            edges.append((num_arcs + place, arc, weight))
    for arc, target in enumerate(places.targets):
        edges.append((arc, num_arcs + target, 0.0))
        for following, weight in places.out[target]:
            if places.labels[following] != places.labels[arc]:
                edges.append((arc, following, weight))
        if target in stops:
            log_ends[arc], end_places[arc] = stops[target]
    for place, (weight, where) in stops.items():
        log_ends[num_arcs + place] = weight
        end_places[num_arcs + place] = where
    edges.sort(key=lambda edge: edge[1])
    targets = np.array([edge[1] for edge in edges])
    return TokenGraph(
        labels=labels,
        sources=np.array([edge[0] for edge in edges]),
        log_weights=np.array([edge[2] for edge in edges], "float32"),
        first_edges=np.searchsorted(targets, np.arange(count)),
        log_starts=log_starts,
        log_ends=log_ends,
        arcs=np.array(places.words + [-1] * num_places),
        end_places=end_places,
        separator=separator,
    )
