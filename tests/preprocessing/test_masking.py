import numpy as np
import pytest

from keras_selfattn.preprocessing.masking import mask_tokens
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from tests.transformers_models import VOCABULARY

TOKENIZER = SubwordTokenizer(VOCABULARY)
CONTINUED = TOKENIZER.continues()


def rows(count=400, length=40, seed=0):
    """Marks, any tokens, padding: `(count, length + 7)`."""
    generator = np.random.default_rng(seed)
    ids = generator.integers(5, len(VOCABULARY), (count, length + 7))
    ids[:, 0], ids[:, length + 1], ids[:, length + 2 :] = 2, 3, 0
    return ids.astype("int32")


def masked(ids, seed=0, **options):
    generator = np.random.default_rng(seed)
    return mask_tokens(ids, TOKENIZER, generator, **options)


def test_15_percent_are_chosen_and_80_10_10_become_of_them():
    ids = rows()
    hidden, chosen = masked(ids)
    assert (chosen.sum(1) == 6).all()  # 15 % of 40
    assert not chosen[np.isin(ids, TOKENIZER.special_ids)].any()
    np.testing.assert_array_equal(hidden[~chosen], ids[~chosen])
    new, old = hidden[chosen], ids[chosen]
    assert np.mean(new == TOKENIZER.mask_id) == pytest.approx(0.8, abs=0.03)
    # One in 39 of those that become any token stays by chance.
    assert np.mean(new == old) == pytest.approx(0.1, abs=0.03)
    assert hidden.dtype == "int32"


def test_a_seed_gives_the_same_and_another_does_not():
    ids = rows(4)
    for one, other in zip(masked(ids, 1), masked(ids, 1)):
        np.testing.assert_array_equal(one, other)
    assert (masked(ids, 1)[1] != masked(ids, 2)[1]).any()


def test_whole_words_are_chosen_whole():
    ids = rows()
    _, chosen = masked(ids, whole_words=True)
    inner = CONTINUED[ids]
    inner[:, 1] = False  # the first token begins a word whatever it is
    np.testing.assert_array_equal(
        chosen[:, 1:][inner[:, 1:]], chosen[:, :-1][inner[:, 1:]]
    )
    assert (chosen.sum(1) >= 6).all() and chosen.sum(1).mean() < 9
    apart = masked(ids)[1]
    assert (apart[:, 1:][inner[:, 1:]] != apart[:, :-1][inner[:, 1:]]).any()


def test_short_texts_hide_one_token_and_empty_ones_none():
    ids = np.array([[2, 7, 3, 0], [2, 3, 0, 0]], "int32")
    _, chosen = masked(ids)
    np.testing.assert_array_equal(chosen, [[0, 1, 0, 0], [0, 0, 0, 0]])
    all_masks, _ = masked(ids, replaced=(1.0, 0.0))
    assert all_masks[0, 1] == TOKENIZER.mask_id


def test_wrong_arguments_are_refused():
    for options in ({"share": 0}, {"share": 1}, {"replaced": (0.9, 0.2)}):
        with pytest.raises(ValueError, match="above 0 and below 1"):
            masked(rows(1), **options)
    without = SubwordTokenizer(VOCABULARY, mask=None)
    with pytest.raises(ValueError, match="has no mask"):
        mask_tokens(rows(1), without, np.random.default_rng(0))
