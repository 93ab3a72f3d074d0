"""A causal language model where a search expects an n-gram one. Numpy only."""

import math

import numpy as np

from keras_selfattn.decoding.token_scores import log_probabilities


class _Context:
    """What stands before a word: both models' states. Scores are kept."""

    __slots__ = ("ngram", "state", "last", "step", "scores", "following")

    def __init__(self, ngram, state, last, step):
        self.ngram, self.state, self.last, self.step = ngram, state, last, step
        self.scores = self.following = None

    def read(self):
        """Log-probabilities of the next token, `(V,)`, and the state."""
        if self.scores is None:
            logits, self.following = self.step([self.last], 0, self.state)
            self.scores = log_probabilities(logits)[0]
        return self.scores, self.following


class CausalWordModel:
    """Words by a causal language model and an n-gram model, mixed.

        p(word) = share p_causal(pieces of word) + (1 - share) p_ngram(word)

    It stands where `TextScorer` takes an `NgramModel`, so that a beam is
    ranked by both while it searches (shallow fusion). While a word is spelled,
    the n-gram model guesses how it goes on; a word is known if that knows it.
    Each new word of the beam costs as many steps as it has pieces.

    Reference: mixtures: Jelinek and Mercer 1980; shallow fusion: Gulcehre et
    al. 2015 (arXiv:1503.03535), section 4.1.

    Attributes:
        start: the context of a text's beginning.

    Args:
        context: `CausalContext`.
        encode: function of a word to its token ids, as a text of the model
            has them (with what parts it from the word before).
        begin_id, end_id: ints, of the model's texts.
        ngram: `NgramModel`.
        share: float in [0, 1].

    Example:
    ```python
    generator = TextGenerator("causal.tflite")
    model = CausalWordModel(
        generator.context(64), tokenizer.encode, 1, 2, ngram, share=0.5
    )
    search = CtcPrefixBeam(vocabulary, TextScorer(model, lm_weight=0.5))
    ```
    """

    def __init__(self, context, encode, begin_id, end_id, ngram, share=0.5):
        if not 0 <= share <= 1:
            raise ValueError(f"share={share}; expected a number in [0, 1].")
        self._encode, self._end_id = encode, end_id
        self._ngram, self._share = ngram, share
        self._context = context
        state, _ = context.start([begin_id], 1)
        self.start = _Context(ngram.start, state, begin_id, context.step)

    def __contains__(self, word):
        return word in self._ngram

    def best_with_prefix(self, prefix):
        """As the n-gram model has it."""
        return self._ngram.best_with_prefix(prefix)

    def score(self, context, word):
        """Ln p of a word, and the context behind it."""
        by_ngram, ngram = self._ngram.score(context.ngram, word)
        here, total = context, 0.0
        for token in self._encode(word):
            scores, state = here.read()
            total += float(scores[token])
            here = _Context(None, state, token, self._context.step)
        here.ngram = ngram
        return self._mixed(total, by_ngram), here

    def end(self, context):
        """Ln p of the text's end."""
        scores, _ = context.read()
        return self._mixed(
            float(scores[self._end_id]), self._ngram.end(context.ngram)
        )

    def _mixed(self, by_causal, by_ngram):
        if self._share in (0, 1):
            return by_causal if self._share else by_ngram
        return float(
            np.logaddexp(
                math.log(self._share) + by_causal,
                math.log(1 - self._share) + by_ngram,
            )
        )
