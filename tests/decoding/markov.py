"""A language whose next token depends on the last two, as a step function."""

import itertools

import numpy as np

BOS, EOS, VOCABULARY = 0, 1, 5


class Markov:
    """Random logits by (row's language, token before last, last token).

    Its state holds the token before the last: a search that forgets to take
    rows from the state gets other scores.
    """

    def __init__(self, languages=3, seed=0, eos_bonus=0.0):
        shape = (languages, VOCABULARY, VOCABULARY, VOCABULARY)
        self.logits = 2 * np.random.default_rng(seed).normal(size=shape)
        self.logits[..., EOS] += eos_bonus

    def start(self, rows_each=1):
        languages = np.repeat(np.arange(len(self.logits)), rows_each)
        return {"language": languages, "before": [np.zeros_like(languages)]}

    def step(self, token_ids, position, state):
        before = state["before"][0]
        assert (before == BOS).all() or position > 0
        logits = self.logits[state["language"], before, token_ids]
        return logits, {**state, "before": [token_ids]}

    def log_probability(self, language, tokens, banned=(BOS,)):
        """Of a whole text with its end."""
        total, before, last = 0.0, 0, BOS
        for token in [*tokens, EOS]:
            logits = self.logits[language, before, last].copy()
            logits[list(banned)] = -np.inf
            total += logits[token] - np.log(np.exp(logits).sum())
            before, last = last, token
        return total

    def texts(self, max_length):
        """All texts of at most so many tokens."""
        for length in range(max_length + 1):
            yield from itertools.product(range(2, VOCABULARY), repeat=length)
