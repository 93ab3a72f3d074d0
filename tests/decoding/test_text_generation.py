import numpy as np
import pytest

from keras_selfattn.decoding.causal_context import CausalContext
from keras_selfattn.decoding.text_generation import SEARCHES, continue_tokens
from tests.decoding.causal_reader import logits_of, reader


def context(places=40):
    return CausalContext(*reader(places), places)


def written(*args, **options):
    found = continue_tokens(context(), [3, 1], *args, **options)
    return [row.tolist() for row in found]


def test_greedy_goes_on_from_the_whole_beginning():
    text = [3, 1]
    for _ in range(8):
        text.append(int(logits_of(text).argmax()))
    assert written(8, search="greedy") == [text[2:]]
    assert written(8, search="contrastive", alpha=0.0) == [text[2:]]
    assert written(8, search="beam", beam=1) == [text[2:]]
    assert written(8, top_k=1) == [text[2:]]


def test_a_beam_finds_a_likelier_text():
    def log_prob(tokens):
        text, total = [3, 1], 0.0
        for token in tokens:
            logits = logits_of(text)
            total += logits[token] - np.log(np.exp(logits).sum())
            text.append(token)
        return total

    best = written(5, search="beam", beam=4, num_texts=3)
    logs = [log_prob(tokens) for tokens in best]
    assert logs == sorted(logs, reverse=True) and len(set(map(str, best))) == 3
    assert logs[0] >= log_prob(written(5, search="greedy")[0])


def test_the_same_seed_draws_the_same_texts():
    first = written(12, num_texts=3, seed=5)
    assert first == written(12, num_texts=3, seed=5)
    assert first != written(12, num_texts=3, seed=6)
    assert len({str(row) for row in first}) == 3
    assert written(12, temperature=0.01) == written(12, search="greedy")


@pytest.mark.parametrize("search", SEARCHES)
def test_it_ends_at_its_end_or_limit_and_leaves_out_the_banned(search):
    (free,) = written(12, search=search)
    assert len(free) == 12
    (ended,) = written(12, search=search, eos_id=free[2])
    assert free[2] not in ended
    (without,) = written(12, search=search, banned_ids=(0, 4))
    assert set(without) <= {1, 2, 3}


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"search": "best"}, "search='best' is unknown; use one of"),
        ({"num_texts": 0}, "num_texts=0; expected"),
        ({"max_tokens": 0}, "max_tokens=0, num_texts=1; expected"),
        ({"search": "greedy", "num_texts": 2}, "from 1 to 1 for search="),
        ({"search": "beam", "num_texts": 5}, "from 1 to 4 for search='beam'"),
        ({"search": "contrastive", "no_repeat_ngram": 2}, "leave it out"),
        ({"temperature": 0}, "temperature > 0"),
    ],
    ids=str,
)
def test_settings_out_of_range_are_named(wrong, message):
    with pytest.raises(ValueError, match=message):
        written(**{"max_tokens": 3, **wrong})
