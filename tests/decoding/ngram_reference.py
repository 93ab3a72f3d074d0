"""Interpolated modified Kneser-Ney written down word by word, no arrays."""

from collections import Counter

START, END = "<s>", "</s>"


class Reference:
    """p(word | context) by Chen and Goodman's equations, from tuples."""

    def __init__(self, sentences, order):
        marked = [(START, *words, END) for words in sentences]
        self.vocabulary = {w for line in marked for w in line} | {"<unk>"}
        self.vocabulary.discard(START)
        raw = {
            size: Counter(
                line[place : place + size]
                for line in marked
                for place in range(len(line) - size + 1)
            )
            for size in range(1, order + 1)
        }
        self.counts = {order: dict(raw[order])}
        for size in range(order - 1, 0, -1):
            before = Counter(gram[1:] for gram in raw[size + 1])
            self.counts[size] = {
                gram: count if gram[0] == START else before[gram]
                for gram, count in raw[size].items()
            }
        if order > 1:
            self.counts[1].pop((START,), None)
        else:
            self.counts[1].pop((START,))
        self.discounts = {
            size: self._discounts(Counter(found.values()))
            for size, found in self.counts.items()
        }

    @staticmethod
    def _discounts(n):
        if not (n[1] and n[2] and n[3]):
            return 0.0, 0.5, 1.0, 1.5
        y = n[1] / (n[1] + 2 * n[2])
        found = [0.0] + [k - (k + 1) * y * n[k + 1] / n[k] for k in (1, 2, 3)]
        if any(not 0 < found[k] < k for k in (1, 2, 3)):
            return 0.0, 0.5, 1.0, 1.5
        return tuple(found)

    def prob(self, context, word):
        size = len(context) + 1
        counts, discounts = self.counts[size], self.discounts[size]
        following = [c for gram, c in counts.items() if gram[:-1] == context]
        if size == 1:
            lower = 1.0 / len(self.vocabulary)
        else:
            lower = self.prob(context[1:], word)
        total = sum(following)
        if not total:
            return lower
        count = counts.get((*context, word), 0)
        left = sum(discounts[min(c, 3)] for c in following)
        return (count - discounts[min(count, 3)]) / total + left / total * lower
