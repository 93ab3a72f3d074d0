import numpy as np

from keras_selfattn.decoding.greedy_search import greedy_search
from tests.decoding.markov import BOS, EOS, VOCABULARY, Markov


def by_hand(model, language, max_length, banned=()):
    before, last, found = 0, BOS, []
    while len(found) < max_length:
        logits = model.logits[language, before, last].copy()
        logits[list(banned)] = -np.inf
        before, last = last, int(logits.argmax())
        if last == EOS:
            break
        found.append(last)
    return found


def test_takes_the_best_token_at_each_step():
    model = Markov(6, eos_bonus=1.0)
    found = greedy_search(
        model.step, model.start(), 6, 8, BOS, EOS, banned_ids=(BOS,)
    )
    expected = [by_hand(model, i, 8, (BOS,)) for i in range(6)]
    assert [row.tolist() for row in found] == expected
    assert len({len(row) for row in expected}) > 2  # they end apart
    assert found[0].dtype == "int32"


def test_each_row_has_its_limit():
    model = Markov(6, eos_bonus=-9.0)
    limits = np.array([1, 2, 3, 4, 5, 6])
    found = greedy_search(model.step, model.start(), 6, limits, BOS, EOS)
    assert [len(row) for row in found] == limits.tolist()
    whole = greedy_search(model.step, model.start(), 6, 6, BOS, EOS)
    for row, longer in zip(found, whole, strict=True):
        assert row.tolist() == longer[: len(row)].tolist()


def test_a_row_alone_is_as_in_a_batch():
    model = Markov(4, eos_bonus=1.0)
    together = greedy_search(model.step, model.start(), 4, 9, BOS, EOS)
    for i in range(4):
        alone = Markov(4, eos_bonus=1.0)
        alone.logits = alone.logits[i : i + 1]
        (row,) = greedy_search(alone.step, alone.start(), 1, 9, BOS, EOS)
        assert row.tolist() == together[i].tolist()


def test_repeats_can_be_forbidden():
    model = Markov(5, eos_bonus=-9.0)
    (row, *_) = greedy_search(
        model.step, model.start(), 5, 9, BOS, EOS, (BOS,), no_repeat_ngram=2
    )
    pairs = list(zip(row[:-1].tolist(), row[1:].tolist(), strict=True))
    assert len(pairs) == len(set(pairs)) > 3
    free = greedy_search(model.step, model.start(), 5, 9, BOS, EOS, (BOS,))
    pairs = list(zip(free[0][:-1], free[0][1:], strict=True))
    assert len(pairs) > len(set(pairs))


def test_no_rows_are_no_texts():
    assert greedy_search(None, None, 0, 5, BOS, EOS) == []


def test_its_example():
    counting = np.eye(VOCABULARY + 1)[[1, 2, 3, 4, 5, 5]]

    def step(ids, position, state):
        return counting[ids], state

    (row,) = greedy_search(step, None, 1, 9, 0, 4)
    assert row.tolist() == [1, 2, 3]
