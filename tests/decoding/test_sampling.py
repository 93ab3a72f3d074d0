import numpy as np
import pytest

from keras_selfattn.decoding.greedy_search import greedy_search
from keras_selfattn.decoding.sampling import likeliest, sample
from tests.decoding.markov import BOS, EOS, Markov

SCORES = np.log([[0.5, 0.2, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]])


@pytest.mark.parametrize(
    "top_k,top_p,expected",
    [
        (0, 1.0, [0.5, 0.2, 0.2, 0.1]),
        (1, 1.0, [1, 0, 0, 0]),
        (2, 1.0, [5 / 7, 2 / 7, 0, 0]),
        (0, 0.45, [1, 0, 0, 0]),
        (0, 0.6, [5 / 7, 2 / 7, 0, 0]),
        (0, 0.85, [5 / 9, 2 / 9, 2 / 9, 0]),
        (3, 0.75, [5 / 7, 2 / 7, 0, 0]),
        (9, 1.0, [0.5, 0.2, 0.2, 0.1]),
    ],
)
def test_what_may_be_drawn(top_k, top_p, expected):
    found = likeliest(SCORES, top_k, top_p)
    np.testing.assert_allclose(found[0], expected, atol=1e-9)
    np.testing.assert_allclose(found.sum(-1), 1.0)


def test_the_best_token_alone_is_greedy():
    model = Markov(6, eos_bonus=1.0)
    greedy = greedy_search(model.step, model.start(), 6, 8, BOS, EOS)
    for options in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-6}):
        found = sample(model.step, model.start(), 6, 8, BOS, EOS, **options)
        assert [row.tolist() for row in found] == [
            row.tolist() for row in greedy
        ]


@pytest.mark.parametrize(
    "options,expected",
    [
        ({}, [0.5, 0.2, 0.2, 0.1]),
        ({"temperature": 0.5}, [25 / 34, 4 / 34, 4 / 34, 1 / 34]),
        ({"top_k": 3}, [5 / 9, 2 / 9, 2 / 9, 0]),
        ({"banned_ids": (0,)}, [0, 0.4, 0.4, 0.2]),
    ],
    ids=str,
)
def test_tokens_come_as_often_as_they_should(options, expected):
    def step(token_ids, position, state):
        return np.repeat(SCORES[:1], len(token_ids), axis=0), state

    rows = sample(step, None, 4000, 1, 0, 9, seed=3, **options)
    counts = np.bincount(np.concatenate(rows), minlength=4)
    np.testing.assert_allclose(counts / 4000, expected, atol=0.03)


def test_a_seed_repeats_and_another_does_not():
    model = Markov(6)

    def draw(seed):
        rows = sample(model.step, model.start(), 6, 8, BOS, EOS, seed=seed)
        return [row.tolist() for row in rows]

    assert draw(1) == draw(1)
    assert draw(1) != draw(2)


@pytest.mark.parametrize(
    "wrong", [{"temperature": 0.0}, {"top_k": -1}, {"top_p": 0.0}]
)
def test_settings_have_ranges(wrong):
    with pytest.raises(ValueError, match="expected temperature > 0"):
        sample(None, None, 1, 5, BOS, EOS, **wrong)
