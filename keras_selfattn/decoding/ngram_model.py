"""An n-gram language model that is asked word by word. Numpy only.

The n-grams are a trie, one level an order: those that continue one n-gram lie
side by side, sorted by word. Words are numbered in sorted order, so that words
with one beginning are neighbours, too. A file of 1 MB is mapped into memory
and asked in place; nothing is unpacked. `kneser_ney` trains such models and
`ngram_file` keeps them; `arpa` reads and writes the format of KenLM and SRILM.

Shape letters: `M` n-grams of one order, `V` words.
"""

import math
from bisect import bisect_left
from dataclasses import dataclass

import numpy as np

START, END, UNKNOWN = "<s>", "</s>", "<unk>"
NEVER = -99.0 * math.log(10.0)  # what ARPA files call -99
_CACHED = 1 << 17


class NgramError(ValueError):
    """A file or table that is no language model; the message says why."""


@dataclass(frozen=True)
class NgramLevel:
    """The n-grams of one order, sorted by the n-gram before and by word.

    Args:
        words: int `(M,)`, the last word of each; None for order 1, where
            n-gram and word have one number.
        log_probs: `(M,)`, natural logarithms, or uint8 codes.
        log_table: float32 `(256,)` that codes mean, or None.
        backoffs: as `log_probs`, the weight of what is not in the next level;
            None in the highest order.
        backoff_table: float32 `(256,)` or None.
        first_children: int `(M + 1,)`, where an n-gram's continuations begin
            in the next level; None in the highest order.
    """

    words: np.ndarray | None
    log_probs: np.ndarray
    log_table: np.ndarray | None = None
    backoffs: np.ndarray | None = None
    backoff_table: np.ndarray | None = None
    first_children: np.ndarray | None = None

    def log_prob(self, place):
        """Ln p of one n-gram."""
        value = self.log_probs[place]
        return float(value if self.log_table is None else self.log_table[value])

    def backoff(self, place):
        """Ln of the weight of one n-gram as a context."""
        if self.backoffs is None:
            return 0.0
        value = self.backoffs[place]
        table = self.backoff_table
        return float(value if table is None else table[value])

    def all_log_probs(self):
        """float32 `(M,)`."""
        table = self.log_table
        return self.log_probs if table is None else table[self.log_probs]

    def all_backoffs(self):
        """float32 `(M,)`."""
        if self.backoffs is None:
            return np.zeros(len(self.log_probs), "float32")
        table = self.backoff_table
        return self.backoffs if table is None else table[self.backoffs]


class WordList:
    """Sorted words in one block of UTF-8, found by halving.

    Args:
        text: bytes-like, the words one after another.
        ends: int array `(V,)`, where each ends.
    """

    def __init__(self, text, ends):
        self._text, self._ends = memoryview(text), ends

    @classmethod
    def of(cls, words):
        """The list of these words; they must be sorted and differ."""
        encoded = [word.encode() for word in words]
        if any(a >= b for a, b in zip(encoded, encoded[1:])):
            raise NgramError("The words of a model must be sorted and differ.")
        ends = np.cumsum([len(word) for word in encoded], dtype="uint32")
        return cls(b"".join(encoded), ends)

    def __len__(self):
        return len(self._ends)

    def _bytes(self, number):
        first = int(self._ends[number - 1]) if number else 0
        return bytes(self._text[first : int(self._ends[number])])

    def __getitem__(self, number):
        return self._bytes(number).decode()

    def place(self, encoded):
        """The number of the first word that is not before `encoded`."""
        return bisect_left(range(len(self)), encoded, key=self._bytes)

    def find(self, word):
        """The number of a word, or None."""
        encoded = word.encode()
        place = self.place(encoded)
        found = place < len(self) and self._bytes(place) == encoded
        return place if found else None


class NgramModel:
    """Scores of words after words, with back-off to shorter contexts.

        p(w | h) = stored                       where `h w` is an n-gram
                 = backoff(h) p(w | h')         else; h' is h without its first

    Reference: Katz 1987 for back-off; the file format of levels as in KenLM's
    trie (Heafield 2011), but read forwards.

    Args:
        words: WordList; `<s>`, `</s>` and `<unk>` are among them.
        levels: list of NgramLevel, orders 1, 2, ...

    Example:
    ```python
    model = kneser_ney.train([["a", "dog", "runs"], ["a", "dog"]], order=2)
    log_prob, state = model.score(model.start, "a")
    log_prob, state = model.score(state, "dog")  # after "a"
    ```
    """

    def __init__(self, words, levels):
        self.words, self.levels = words, levels
        self.order = len(levels)
        marks = [words.find(mark) for mark in (START, END, UNKNOWN)]
        if None in marks:
            raise NgramError(f"A model needs the words {START}, {END}, <unk>.")
        self._start, self._end, self._unknown = marks
        # A state is the numbers of the words before, as far as they matter.
        self.start = (self._start,) if self.order > 1 else ()
        self._ids, self._scores = {}, {}
        self._places, self._best = {}, {}

    def __len__(self):
        return sum(len(level.log_probs) for level in self.levels)

    def __contains__(self, word):
        return self.word_id(word) != self._unknown

    def word_id(self, word):
        """The number of a word, or that of `<unk>`."""
        number = self._ids.get(word)
        if number is None:
            number = self.words.find(word)
            number = self._unknown if number is None else number
            _remember(self._ids, word, number)
        return number

    def score(self, state, word):
        """Ln p of a word after a state, and the state after it.

        Args:
            state: `start`, or what an earlier call gave.
            word: str; one that is not in the model counts as `<unk>`.

        Returns:
            `(float, state)`.
        """
        return self._score(state, self.word_id(word))

    def end(self, state):
        """Ln p that the sentence ends here."""
        return self._score(state, self._end)[0]

    def sentence(self, words):
        """Ln p of a whole sentence, its end included.

        Args:
            words: list of str.
        """
        total, state = 0.0, self.start
        for word in words:
            log_prob, state = self.score(state, word)
            total += log_prob
        return total + self.end(state)

    def perplexity(self, sentences):
        """Exp of the mean -ln p of a word; each sentence's end counts, too.

        Args:
            sentences: iterable of lists of str.
        """
        total = count = 0
        for words in sentences:
            total += self.sentence(words)
            count += len(words) + 1
        if not count:
            raise ValueError("perplexity expects at least one sentence.")
        return math.exp(-total / count)

    def best_with_prefix(self, prefix):
        """Ln p (order 1) of the likeliest word that begins so, or None."""
        if prefix in self._best:
            return self._best[prefix]
        encoded = prefix.encode()
        first = self.words.place(encoded)
        last = self.words.place(encoded + b"\xff")
        best = None
        if first < last:
            level = self.levels[0]
            part = level.log_probs[first:last]
            if level.log_table is not None:
                part = level.log_table[part]
            best = float(part.max())
        _remember(self._best, prefix, best)
        return best

    def _score(self, state, word):
        known = self._scores.get((state, word))
        if known is not None:
            return known
        weight, context = 0.0, state
        while True:
            depth, place = len(context), self._place(context)
            child = None
            if place is not None:
                child = self._child(depth, place, word)
                if child is None:
                    weight += self.levels[depth - 1].backoff(place)
            if child is not None:
                break
            context = context[1:]
        result = (
            weight + self.levels[depth].log_prob(child),
            self._after((*context, word)),
        )
        _remember(self._scores, (state, word), result)
        return result

    def _after(self, words):
        """The longest end of `words` that is the context of an n-gram."""
        words = words[max(0, len(words) - self.order + 1) :]
        while words:
            place = self._place(words)
            if place is not None:
                children = self.levels[len(words) - 1].first_children
                if children[place] < children[place + 1]:
                    return words
            words = words[1:]
        return ()

    def _place(self, words):
        """Where an n-gram stands in its level, or None; 0 for no words."""
        if len(words) < 2:
            return words[0] if words else 0
        if words in self._places:
            return self._places[words]
        place = self._place(words[:-1])
        if place is not None:
            place = self._child(len(words) - 1, place, words[-1])
        _remember(self._places, words, place)
        return place

    def _child(self, depth, place, word):
        if not depth:
            return word
        children = self.levels[depth - 1].first_children
        first, last = int(children[place]), int(children[place + 1])
        words = self.levels[depth].words
        # Python's own, because it asks for single elements of a mapped file.
        found = bisect_left(words, word, first, last)
        return found if found < last and words[found] == word else None


def level_rows(levels, order):
    """int32 `(M, order)`: the words of all n-grams of one order, sorted.

    Args:
        levels: list of NgramLevel.
        order: int from 1 to their number.
    """
    rows = np.arange(len(levels[0].log_probs), dtype="int32")[:, np.newaxis]
    for level, below in zip(levels[1:order], levels):
        counts = np.diff(np.asarray(below.first_children, "int64"))
        rows = np.repeat(rows, counts, axis=0)
        last = np.asarray(level.words, "int32")[:, np.newaxis]
        rows = np.concatenate([rows, last], axis=1)
    return rows


def _remember(cache, key, value):
    if len(cache) >= _CACHED:  # bounded over hours
        cache.clear()
    cache[key] = value
