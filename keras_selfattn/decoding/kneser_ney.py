"""Trains n-gram models: interpolated, modified Kneser-Ney. Numpy only.

Shape letters: `L` words of all sentences, marks included, `M` n-grams of one
order, `V` words.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from keras_selfattn.decoding.ngram_model import (
    END,
    NEVER,
    START,
    UNKNOWN,
    NgramLevel,
    NgramModel,
    WordList,
)

# Where counts of counts are too few to say (KenLM's choice).
FALLBACK_DISCOUNTS = (0.5, 1.0, 1.5)


@dataclass
class _Grams:
    """All n-grams of one order, in the order of the trie; each `(M,)`."""

    prefix: np.ndarray  # place of the n-gram without its last word
    suffix: np.ndarray  # place of the n-gram without its first word
    words: np.ndarray
    counts: np.ndarray  # how often they stand in the text
    adjusted: np.ndarray  # what probabilities are made of
    probs: np.ndarray = None
    backoffs: np.ndarray = None


def train(sentences, order=3, min_count=1, prune=0.0):
    """An n-gram model of the sentences; see `Estimate`."""
    return Estimate(sentences, order, min_count).model(prune)


class Estimate:
    """All n-grams of a text with their probabilities, before pruning.

        p(w | h) = (a(h w) - D(a(h w))) / a(h) + g(h) p(w | h')

    `a` counts occurrences in the highest order and for n-grams that begin with
    `<s>`, and otherwise the different words before; `D` is one of three
    discounts (for 1, 2, more), estimated for each order; `g(h)` is what they
    leave. Order 1 is mixed with the same share for all words, so `<unk>` is
    never impossible. For every context the probabilities of all words but
    `<s>` sum to one, after pruning, too.

    Reference: Chen and Goodman 1998 (TR-10-98), equations 22 to 27; Heafield et
    al. 2013 for the counts at sentence starts.

    Args:
        sentences: iterable of lists of str (words, or characters).
        order: int >= 1.
        min_count: int >= 1; rarer words are read as `<unk>`.

    Raises:
        ValueError: no sentences, a mark among their words, or a setting out of
            its range.
    """

    def __init__(self, sentences, order=3, min_count=1):
        if order < 1 or min_count < 1:
            raise ValueError(
                f"order={order}, min_count={min_count}; expected at least 1."
            )
        sentences = [list(words) for words in sentences]
        frequency = Counter(word for words in sentences for word in words)
        wrong = {START, END, ""} & frequency.keys()
        if wrong or not sentences:
            raise ValueError(
                "Training expects at least one sentence, of words other than "
                f"{START}, {END} and the empty one; received {len(sentences)} "
                f"sentences with {sorted(wrong)}."
            )
        kept = {word for word, count in frequency.items() if count >= min_count}
        self.words = sorted(kept | {START, END, UNKNOWN}, key=str.encode)
        ids = {word: number for number, word in enumerate(self.words)}
        start, end, unknown = ids[START], ids[END], ids[UNKNOWN]
        text, starts = [], []
        for sentence in sentences:
            starts.append(len(text))
            text.append(start)
            text += [ids.get(word, unknown) for word in sentence]
            text.append(end)
        text, starts = np.array(text), np.array(starts)
        self._grams = _count(text, starts, len(self.words), order)
        _adjust(self._grams, start)
        _estimate(self._grams, start)

    def model(self, prune=0.0):
        """The model of all n-grams, or of those that matter.

        Pruning drops an n-gram where its count times what its entry adds to
        ln p is below `prune`, and none that others continue. Reference:
        Seymore and Rosenfeld 1996 (weighted difference).

        Args:
            prune: float >= 0; 0 keeps all.

        Returns:
            NgramModel.
        """
        if prune < 0:
            raise ValueError(f"prune={prune}; expected a number >= 0.")
        grams = self._grams
        kept = [np.ones(len(level.words), bool) for level in grams]
        backoffs = [level.backoffs for level in grams]
        if prune:
            kept = _prune(grams, kept, prune)
            backoffs = _renormalised(grams, kept)
        levels = _levels(grams, kept, backoffs)
        return NgramModel(WordList.of(self.words), levels)


def _count(text, starts, vocabulary, order):
    """All n-grams of the text that lie inside sentences, by order."""
    left = np.diff(np.append(starts, len(text)))
    left = np.repeat(left, left) - (
        np.arange(len(text)) - np.repeat(starts, left)
    )  # (L,), words from here to the sentence's end
    places = text  # (L,), of the n-gram that begins here, in its level
    all_words = np.arange(vocabulary)
    grams = [
        _Grams(
            prefix=np.zeros(vocabulary, "int64"),
            suffix=np.zeros(vocabulary, "int64"),
            words=all_words,
            counts=np.bincount(text, minlength=vocabulary),
            adjusted=None,
        )
    ]
    for size in range(2, order + 1):
        begins = np.flatnonzero(left >= size)
        keys = places[begins] * vocabulary + text[begins + size - 1]
        unique, first, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        grams.append(
            _Grams(
                prefix=unique // vocabulary,
                suffix=places[begins[first] + 1],
                words=unique % vocabulary,
                counts=counts,
                adjusted=None,
            )
        )
        places = np.zeros(len(text), "int64")
        places[begins] = inverse
    return grams


def _adjust(grams, start):
    """Different words before instead of occurrences, below the top order."""
    first = np.arange(len(grams[0].words))  # first word of each n-gram
    for level, above in zip(grams, [*grams[1:], None]):
        if level is not grams[0]:
            first = first[level.prefix]
        level.adjusted = level.counts.copy()
        if above is not None:
            different = np.bincount(above.suffix, minlength=len(level.words))
            inside = first != start
            level.adjusted[inside] = different[inside]
    grams[0].adjusted[start] = 0


def _estimate(grams, start):
    lower = np.full(1, 1.0 / (len(grams[0].words) - 1))  # all but <s>
    below, contexts = None, 1
    for level in grams:
        adjusted = level.adjusted
        discounts = np.array([0.0, *_discounts(adjusted)])
        taken = discounts[np.minimum(adjusted, 3)]
        total = np.bincount(level.prefix, adjusted, contexts)
        gap = np.bincount(level.prefix, taken, contexts)
        seen = total > 0
        weights = np.ones(contexts)
        weights[seen] = gap[seen] / total[seen]
        share = (adjusted - taken) / np.where(seen, total, 1.0)[level.prefix]
        level.probs = share + weights[level.prefix] * lower[level.suffix]
        if below is None:
            level.probs[start] = 0.0
        else:
            below.backoffs = weights
        below, lower, contexts = level, level.probs, len(level.words)
    grams[-1].backoffs = np.ones(len(grams[-1].words))


def _discounts(adjusted):
    """D1, D2, D3+ of one order (Chen and Goodman, equation 26)."""
    n1, n2, n3, n4 = (int(np.sum(adjusted == n)) for n in (1, 2, 3, 4))
    if 0 in (n1, n2, n3):
        return FALLBACK_DISCOUNTS
    y = n1 / (n1 + 2 * n2)
    found = (1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3)
    if any(not 0 < d < n for n, d in enumerate(found, 1)):
        return FALLBACK_DISCOUNTS
    return found


def _prune(grams, kept, threshold):
    """Bool `(M,)` for each order: which n-grams stay."""
    for size in range(len(grams) - 1, 0, -1):
        level, below = grams[size], grams[size - 1]
        backed_off = below.backoffs[level.prefix] * below.probs[level.suffix]
        gain = level.counts * np.log(level.probs / backed_off)
        kept[size] = gain >= threshold
        if size + 1 < len(grams):
            above = grams[size + 1]
            kept[size][above.prefix[kept[size + 1]]] = True
    return kept


def _renormalised(grams, kept):
    """Back-off weights that make contexts sum to one without the pruned."""
    lower, found = grams[0].probs, []
    for size in range(1, len(grams)):
        level, below = grams[size], grams[size - 1]
        contexts = len(below.words)
        stays = kept[size]
        prefix = level.prefix[stays]
        mass = np.bincount(prefix, level.probs[stays], contexts)
        covered = np.bincount(prefix, lower[level.suffix[stays]], contexts)
        weights = np.where(covered > 0, (1.0 - mass) / (1.0 - covered), 1.0)
        weights = np.maximum(weights, 1e-30)
        found.append(weights)
        backed_off = weights[level.prefix] * lower[level.suffix]
        lower = np.where(stays, level.probs, backed_off)
    return [*found, grams[-1].backoffs]


def _levels(grams, kept, weights):
    levels = []
    new_places = np.arange(len(grams[0].words))
    for size, (level, stays) in enumerate(zip(grams, kept)):
        above = grams[size + 1] if size + 1 < len(grams) else None
        probs = level.probs[stays]
        logs = np.full(len(probs), NEVER)
        np.log(probs, out=logs, where=probs > 0)
        first_children = backoffs = None
        if above is not None:
            new_places = np.cumsum(stays) - 1
            parents = new_places[above.prefix[kept[size + 1]]]
            counts = np.bincount(parents, minlength=len(probs))
            first_children = np.append(0, np.cumsum(counts)).astype("uint32")
            backoffs = np.log(weights[size][stays]).astype("float32")
        levels.append(
            NgramLevel(
                words=level.words[stays].astype("uint32") if size else None,
                log_probs=logs.astype("float32"),
                backoffs=backoffs,
                first_children=first_children,
            )
        )
    return levels
