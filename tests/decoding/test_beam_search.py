import numpy as np
import pytest

from keras_selfattn.decoding.beam_search import beam_search, length_penalty
from keras_selfattn.decoding.greedy_search import greedy_search
from tests.decoding.markov import BOS, EOS, Markov


def search(model, beam, max_length=6, alpha=0.6, **kwargs):
    arguments = {"banned_ids": (BOS,), **kwargs}
    return beam_search(
        model.step,
        model.start(beam),
        len(model.logits),
        beam,
        max_length,
        BOS,
        EOS,
        alpha,
        **arguments,
    )


def test_the_length_penalty_is_that_of_the_paper():
    assert length_penalty(1, 0.7) == 1.0
    np.testing.assert_allclose(length_penalty([7, 13], 1.0), [2.0, 3.0])
    assert length_penalty(9, 0.0) == 1.0


def test_a_beam_of_one_is_greedy():
    model = Markov(8, eos_bonus=1.0)
    greedy = greedy_search(model.step, model.start(), 8, 6, BOS, EOS, (BOS,))
    found = search(model, 1)
    assert [best[0].tolist() for (best,) in found] == [
        row.tolist() for row in greedy
    ]


@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_wide_beam_finds_the_best_of_all_texts(alpha):
    """3^1 + ... + 3^5 texts: a beam of 300 forgets none."""
    model = Markov(4, seed=1, eos_bonus=1.0)
    for language, (best,) in enumerate(search(model, 300, 5, alpha)):
        scores = {
            text: model.log_probability(language, text)
            / length_penalty(len(text) + 1, alpha)
            for text in model.texts(5)
        }
        text, score = best
        # Texts of six tokens that were cut are not among those ended.
        assert tuple(text.tolist()) == max(scores, key=scores.get)
        np.testing.assert_allclose(score, max(scores.values()))


def test_scores_are_those_of_the_texts_and_fall():
    model = Markov(5, seed=2, eos_bonus=1.0)
    found = search(model, 4, alpha=0.6, num_best=3)
    assert max(map(len, found)) == 3
    for language, texts in enumerate(found):
        scores = [score for _, score in texts]
        assert scores == sorted(scores, reverse=True)
        assert len({tuple(text.tolist()) for text, _ in texts}) == len(texts)
        for text, score in texts:
            if len(text) < 6:
                total = model.log_probability(language, text.tolist())
                penalty = length_penalty(len(text) + 1, 0.6)
                np.testing.assert_allclose(score, total / penalty)


def test_a_wider_beam_is_better_on_the_whole():
    model = Markov(40, seed=3, eos_bonus=1.0)
    narrow, wide = (
        np.mean([texts[0][1] for texts in search(model, beam, 12)])
        for beam in (1, 6)
    )
    assert wide > narrow + 0.05


def test_a_long_penalty_makes_longer_texts():
    model = Markov(40, seed=3, eos_bonus=1.0)
    short, long = (
        np.mean([len(texts[0][0]) for texts in search(model, 5, 12, alpha)])
        for alpha in (0.0, 2.0)
    )
    assert long > short + 0.2


def test_a_sure_text_is_not_lost_to_early_ends():
    """A sharp model: at each step the end is second, and far behind."""
    model = Markov(1)
    model.logits[:] = -20.0
    for before, last, following in ((0, 0, 2), (0, 2, 3), (2, 3, 4), (3, 4, 1)):
        model.logits[0, before, last, following] = 0.0
        model.logits[0, before, last, EOS] += 10.0
    for beam in (1, 2, 3, 4):
        ((best,),) = search(model, beam)
        assert best[0].tolist() == [2, 3, 4]


def test_a_source_alone_is_as_in_a_batch():
    model = Markov(6, eos_bonus=1.0)
    together = search(model, 3)
    for i in range(6):
        alone = Markov(6, eos_bonus=1.0)
        alone.logits = alone.logits[i : i + 1]
        (texts,) = search(alone, 3)
        assert texts[0][0].tolist() == together[i][0][0].tolist()
        np.testing.assert_allclose(texts[0][1], together[i][0][1])


def test_a_text_without_an_end_is_cut():
    model = Markov(3, eos_bonus=-90.0)
    limits = np.array([2, 4, 3])
    found = search(model, 3, limits)
    assert [len(texts[0][0]) for texts in found] == limits.tolist()
    assert all(np.isfinite(texts[0][1]) for texts in found)


def test_a_beam_wider_than_the_vocabulary():
    model = Markov(2, eos_bonus=1.0)
    assert all(len(texts) == 1 for texts in search(model, 20))


def test_repeats_can_be_forbidden():
    model = Markov(5, eos_bonus=-9.0)
    for texts in search(model, 3, 9, no_repeat_ngram=2):
        row = texts[0][0].tolist()
        pairs = list(zip(row[:-1], row[1:], strict=True))
        assert len(pairs) == len(set(pairs)) > 3


def test_the_rules_of_transformers():
    """Its penalty, its sums, its cut texts: what they are by hand.

    Held against the package itself by `tests/convert/test_marian.py`.
    """
    model = Markov(5, eos_bonus=1.0)
    assert length_penalty(3, 2.0, "transformers") == 9
    free = search(model, 3, alpha=0.0, banned_ids=(), rules="transformers")
    banned = search(model, 3, alpha=0.0, rules="transformers")
    for one, other in zip(free, banned, strict=True):
        if BOS not in one[0][0]:  # banning takes nothing from the others
            assert one[0][1] == pytest.approx(other[0][1])
    cut = Markov(5, eos_bonus=-90.0)
    for rules, length in (("transformers", 4), ("transformers_forced", 5)):
        (as_it_is,) = search(cut, 2, 4, 0.0, rules=rules)[0]
        (divided,) = search(cut, 2, 4, 1.0, rules=rules)[0]
        assert divided[1] == pytest.approx(as_it_is[1] / length)
    with pytest.raises(ValueError, match="rules='wu' is unknown; use one of"):
        search(model, 3, rules="wu")


@pytest.mark.parametrize(
    "wrong", [{"beam": 0}, {"beam": 2, "num_best": 3}, {"alpha": -1.0}]
)
def test_settings_have_ranges(wrong):
    with pytest.raises(ValueError, match="1 <= num_best <= beam_size"):
        search(Markov(1), **{"beam": 2, **wrong})
