"""A grammar as a graph: which word may follow which. Standard library only.

Its arcs are words, with the marks that lie before each: where slots begin and
end. There are no empty arcs, and every place is on some way to an end.
"""

import math
from dataclasses import dataclass

from keras_selfattn.decoding import jsgf

_MOST_ARCS = 200_000


@dataclass(frozen=True)
class Mark:
    """The beginning (`opens`) or the end of a slot.

    Args:
        name: str, name of the slot.
        value: str, or None for the words in between.
        opens: bool.
    """

    name: str
    value: str | None
    opens: bool


@dataclass(frozen=True)
class WordArc:
    """A word between two places.

    Args:
        source, target: int, places.
        word: str, or `jsgf.GARBAGE`.
        log_weight: float, of the choices that lead to it.
        marks: tuple of Mark, before the word.
    """

    source: int
    target: int
    word: str
    log_weight: float
    marks: tuple


@dataclass(frozen=True)
class WordGraph:
    """All that a grammar allows; place 0 is the start.

    Args:
        num_places: int.
        arcs: tuple of WordArc.
        ends: dict of a place where one may stop to a list of (log weight,
            marks after the last word).
    """

    num_places: int
    arcs: tuple
    ends: dict

    @property
    def words(self):
        """The different words, sorted."""
        return sorted({a.word for a in self.arcs} - {jsgf.GARBAGE})


def word_graph(grammar):
    """The graph of a grammar's public rules.

    Alternatives share the weight of their choice as their weights say, equally
    where there are none; so do "once more" and "enough" of a repetition, and
    "with" and "without" of what is optional.

    Args:
        grammar: jsgf.Grammar.

    Raises:
        GrammarError: it allows nothing, or is too large.
    """
    builder = _Builder(grammar.rules)
    start = builder.place()
    public = tuple(jsgf.Reference(rule) for rule in grammar.public)
    end = builder.add(jsgf.Choice(public), start)
    return builder.finish(start, end)


class _Builder:
    """Thompson's construction, and then the empty arcs are taken out."""

    def __init__(self, rules):
        self._rules = rules
        self._out = []  # for each place: (target, word or None, weight, marks)
        self._num_arcs = 0

    def place(self):
        self._out.append([])
        return len(self._out) - 1

    def _arc(self, source, target, word=None, weight=0.0, marks=()):
        self._out[source].append((target, word, weight, marks))
        self._num_arcs += 1
        if self._num_arcs > _MOST_ARCS:
            raise jsgf.GrammarError(
                f"The grammar has more than {_MOST_ARCS} arcs; say less."
            )

    def add(self, part, start):
        """Adds a part of the grammar after a place; returns where it ends."""
        if isinstance(part, jsgf.Word):
            end = self.place()
            self._arc(start, end, part.text)
        elif isinstance(part, jsgf.Reference):
            end = self._reference(part.rule, start)
        elif isinstance(part, jsgf.Sequence):
            end = start
            for inner in part.parts:
                end = self.add(inner, end)
        elif isinstance(part, jsgf.Choice):
            end = self._choice(part, start)
        elif isinstance(part, jsgf.Repeat):
            end = self._repeat(part, start)
        else:
            opened = self.place()
            mark = Mark(part.name, part.value, True)
            self._arc(start, opened, marks=(mark,))
            closed = self.add(part.part, opened)
            end = self.place()
            mark = Mark(part.name, part.value, False)
            self._arc(closed, end, marks=(mark,))
        return end

    def _reference(self, rule, start):
        if rule == jsgf.NULL:
            return start
        if rule == jsgf.VOID:
            return self.place()  # nothing leads there
        if rule == jsgf.GARBAGE:
            end = self.place()
            self._arc(start, end, jsgf.GARBAGE)
            self._arc(start, end)
            return end
        return self.add(self._rules[rule], start)

    def _choice(self, part, start):
        weights = part.weights or (1.0,) * len(part.parts)
        end, total = self.place(), sum(weights)
        for inner, weight in zip(part.parts, weights):
            begin = self.place()
            self._arc(start, begin, weight=math.log(weight / total))
            self._arc(self.add(inner, begin), end)
        return end

    def _repeat(self, part, start):
        half, end = math.log(0.5), self.place()
        begin = self.place()
        if part.least:
            self._arc(start, begin)
        else:
            self._arc(start, begin, weight=half)
            self._arc(start, end, weight=half)
        stop = self.add(part.part, begin)
        if part.most is None:
            self._arc(stop, begin, weight=half)
            self._arc(stop, end, weight=half)
        else:
            self._arc(stop, end)
        return end

    def _after(self, source):
        """What empty arcs lead to: {(place, marks): best log weight}."""
        found, waiting = {(source, ()): 0.0}, [(source, ())]
        while waiting:
            place, marks = waiting.pop()
            weight = found[place, marks]
            for target, word, more, added in self._out[place]:
                if word is not None:
                    continue
                key, total = (target, marks + added), weight + more
                if len(key[1]) > 64:
                    raise jsgf.GrammarError(
                        "The grammar repeats a tag without words."
                    )
                if total > found.get(key, -math.inf):
                    found[key] = total
                    waiting.append(key)
        return found

    def finish(self, start, end):
        numbers, waiting, arcs, ends = {start: 0}, [start], {}, {}
        while waiting:
            source = waiting.pop()
            for (place, marks), weight in self._after(source).items():
                if place == end:
                    ends.setdefault(source, []).append((weight, marks))
                for target, word, more, _ in self._out[place]:
                    if word is None:
                        continue
                    if target not in numbers:
                        numbers[target] = len(numbers)
                        waiting.append(target)
                    key = (source, target, word, marks)
                    arcs[key] = max(arcs.get(key, -math.inf), weight + more)
        return _trimmed(numbers, arcs, ends, start)


def _trimmed(numbers, arcs, ends, start):
    """The graph without what leads to no end, places numbered anew."""
    before = {}
    for source, target, _, _ in arcs:
        before.setdefault(target, set()).add(source)
    alive, waiting = set(ends), list(ends)
    while waiting:
        for source in before.get(waiting.pop(), ()):
            if source not in alive:
                alive.add(source)
                waiting.append(source)
    kept = sorted(alive, key=numbers.get)
    if start not in alive or not any(t in alive for _, t, _, _ in arcs):
        raise jsgf.GrammarError("The grammar allows no words at all.")
    new = {place: number for number, place in enumerate(kept)}
    return WordGraph(
        len(new),
        tuple(
            WordArc(new[source], new[target], word, weight, marks)
            for (source, target, word, marks), weight in arcs.items()
            if source in new and target in new
        ),
        {new[place]: found for place, found in ends.items()},
    )
