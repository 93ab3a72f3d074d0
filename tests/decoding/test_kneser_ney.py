"""Kneser-Ney: equal to the textbook, sums to one, pruned or not."""

import itertools
import math

import pytest

from keras_selfattn.decoding import kneser_ney
from tests.decoding.ngram_reference import Reference
from tests.decoding.sentences import WORDS, sentences

TOY = [line.split() for line in ("a dog runs", "a dog", "the dog sees a cat")]


def contexts(model, length):
    known = [model.words[n] for n in range(len(model.words))]
    known.remove("</s>")
    return itertools.product(known, repeat=length)


def state_after(model, words):
    """The state after words that need not begin a sentence."""
    state = ()
    for word in words:
        state = model.start if word == "<s>" else model.score(state, word)[1]
    return state


@pytest.mark.parametrize("lines", [TOY, sentences()], ids=["toy", "random"])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_probability_is_that_of_the_textbook(lines, order):
    model = kneser_ney.train(lines, order)
    reference = Reference(lines, order)
    checked = 0
    for line in lines[:12]:
        marked = ["<s>", *line]
        for place in range(len(marked)):
            before = marked[: place + 1]
            history = tuple(before[1 - order :] if order > 1 else ())
            state = model.start
            for word in marked[1 : place + 1]:
                state = model.score(state, word)[1]
            for word in ["</s>", "<unk>", *WORDS[:5]]:
                # A context the text has not goes straight to a shorter one.
                found = model.score(state, word)[0]
                expected = math.log(
                    reference.prob(history, _known(reference, word))
                )
                assert found == pytest.approx(expected, abs=1e-5), (
                    history,
                    word,
                )
                checked += 1
    assert checked > 50


def _known(reference, word):
    return word if word in reference.vocabulary else "<unk>"


@pytest.mark.parametrize("prune", [0.0, 0.3, 2.0, 1e9])
@pytest.mark.parametrize("order", [1, 2, 3])
def test_probabilities_sum_to_one_after_any_context(order, prune):
    model = kneser_ney.train(sentences(), order, prune=prune)
    words = [model.words[n] for n in range(len(model.words))]
    words.remove("<s>")
    for length in range(order):
        for context in contexts(model, length):
            state = state_after(model, context)
            total = math.fsum(
                math.exp(model.score(state, word)[0]) for word in words
            )
            assert total == pytest.approx(1.0, abs=1e-5), context


def test_pruning_takes_what_matters_least():
    lines = sentences(200)
    sizes, perplexities = [], []
    for prune in (0.0, 1.0, 4.0, 1e9):
        model = kneser_ney.train(lines, 3, prune=prune)
        sizes.append(len(model))
        perplexities.append(model.perplexity(lines))
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 4
    assert perplexities == sorted(perplexities)
    assert sizes[-1] == len(model.words)  # single words always stay
    assert model.order == 3


def test_rare_words_are_read_as_unknown():
    model = kneser_ney.train(TOY, 2, min_count=2)
    assert "dog" in model and "cat" not in model
    score, _ = model.score(model.start, "cat")
    assert score == model.score(model.start, "<unk>")[0]
    assert score == model.score(model.start, "never seen")[0]
    assert math.isfinite(score)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sentences": []}, "at least one sentence"),
        ({"sentences": [["a", "<s>"]]}, "<s>"),
        ({"sentences": [["a", ""]]}, "empty one"),
        ({"order": 0}, "order=0"),
        ({"min_count": 0}, "min_count=0"),
        ({"prune": -1.0}, "prune=-1.0"),
    ],
)
def test_settings_out_of_range_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        kneser_ney.train(**{"sentences": TOY, **options})
