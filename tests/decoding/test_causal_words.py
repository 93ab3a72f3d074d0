import math

import numpy as np
import pytest

from keras_selfattn.decoding.causal_context import CausalContext
from keras_selfattn.decoding.causal_words import CausalWordModel
from keras_selfattn.decoding.kneser_ney import train
from keras_selfattn.decoding.rescoring import text_score
from keras_selfattn.decoding.text_scorer import TextScorer
from tests.decoding.causal_reader import logits_of, reader

BEGIN, END = 0, 1
PIECES = {"ab": [2, 3], "c": [4], "zz": [3, 3]}
NGRAM = train([["ab", "c"], ["c", "ab", "ab"]] * 3, order=2)


def by_hand(words):
    text, total = [BEGIN], 0.0
    for token in [*(i for w in words for i in PIECES[w]), END]:
        logits = logits_of(text)
        total += logits[token] - np.log(np.exp(logits).sum())
        text.append(token)
    return total


def model(share):
    context = CausalContext(*reader(12), 12)
    return CausalWordModel(context, PIECES.get, BEGIN, END, NGRAM, share)


def total(words, share):
    mixed = model(share)
    log_prob, context = 0.0, mixed.start
    for word in words:
        score, context = mixed.score(context, word)
        log_prob += score
    return log_prob + mixed.end(context)


@pytest.mark.parametrize("words", [[], ["ab", "c"], ["c", "zz", "ab"]])
def test_the_ends_of_the_mixture_are_its_parts(words):
    assert total(words, 1) == pytest.approx(by_hand(words))
    assert total(words, 0) == pytest.approx(NGRAM.sentence(words), abs=1e-5)


def test_a_word_is_mixed_in_probability():
    one, other, both = (
        model(share).score(model(share).start, "ab")[0] for share in (1, 0, 0.3)
    )
    assert math.exp(both) == pytest.approx(
        0.3 * math.exp(one) + 0.7 * math.exp(other)
    )


def test_a_scorer_takes_it_for_an_ngram_model():
    mixed = model(0.5)
    assert "ab" in mixed and "zz" not in mixed
    scorer = TextScorer(mixed, lm_weight=0.5, unknown_penalty=3.0)
    found = text_score(scorer, "ab c")
    assert found == pytest.approx(0.5 * total(["ab", "c"], 0.5))
    unknown = text_score(scorer, "zz")
    assert unknown == pytest.approx(0.5 * total(["zz"], 0.5) - 3.0)
    # Two texts that share a beginning do not disturb one another.
    state = scorer.advance(scorer.start(), "ab ")
    first, second = (scorer.advance(state, word) for word in ("c", "ab"))
    assert scorer.finish(first) == pytest.approx(found)
    assert scorer.finish(second) != pytest.approx(found)


def test_a_share_out_of_range_is_named():
    with pytest.raises(ValueError, match="share=2; expected"):
        model(2)
