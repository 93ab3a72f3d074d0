import numpy as np
import pytest

from keras_selfattn.data.masked_dataset import MaskedDataset
from keras_selfattn.preprocessing.subword_tokenizer import SubwordTokenizer
from tests.transformers_models import SENTENCES, VOCABULARY

TOKENIZER = SubwordTokenizer(VOCABULARY, max_tokens=20)
TEXTS = [*SENTENCES, "the cat " * 30, "a"]


def batches(dataset):
    return [
        (inputs["token_ids"], labels, weights)
        for inputs, labels, weights in dataset.batches()
    ]


def test_batches_hold_each_text_once_with_tokens_hidden():
    dataset = MaskedDataset(TEXTS, TOKENIZER, batch_size=2)
    found = []
    for hidden, labels, weights in batches(dataset):
        assert hidden.shape == labels.shape == weights.shape
        assert hidden.shape[1] in (16, 20)  # the model has no more places
        assert (weights.sum(1) >= 1).all()
        changed = hidden != labels
        assert changed.any() and not (changed & (weights == 0)).any()
        found += [tuple(row[row > 0]) for row in labels]
    assert sorted(found) == sorted(tuple(TOKENIZER.encode(x)) for x in TEXTS)


def test_positions_are_where_tokens_are_hidden():
    whole = MaskedDataset(TEXTS, TOKENIZER, batch_size=3, whole_words=True)
    parts = MaskedDataset(
        TEXTS, TOKENIZER, batch_size=3, whole_words=True, positions=True
    )
    for (hidden, labels, weights), (inputs, ids, real) in zip(
        batches(whole), parts.batches(), strict=True
    ):
        np.testing.assert_array_equal(inputs["token_ids"], hidden)
        places = inputs["mask_positions"]
        assert places.shape == ids.shape == real.shape
        assert places.shape[1] % 8 == 0 and places.dtype == "int32"
        for row in range(len(hidden)):
            kept = real[row] > 0
            expected = np.flatnonzero(weights[row])
            np.testing.assert_array_equal(places[row, kept], expected)
            np.testing.assert_array_equal(ids[row, kept], labels[row, expected])
            assert not places[row, ~kept].any()


def test_an_epoch_is_a_function_of_seed_and_number_and_goes_on():
    one = MaskedDataset(TEXTS, TOKENIZER, batch_size=2, seed=3)
    other = MaskedDataset(TEXTS, TOKENIZER, batch_size=2, seed=3)
    first = batches(one)
    one.set_epoch(1)
    second = batches(one)
    other.set_epoch(1, first_batch=1)
    rest = batches(other)
    assert len(rest) == len(second) - 1
    for a, b in zip(second[1:], rest, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_array_equal(x, y)
    assert any(
        a[0].shape != b[0].shape or (a[0] != b[0]).any()
        for a, b in zip(first, second)
    )


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="no text to make batches of"):
        MaskedDataset([], TOKENIZER)
    dataset = MaskedDataset(TEXTS, TOKENIZER, batch_size=2)
    with pytest.raises(ValueError, match="first_batch=9; there are 3"):
        dataset.set_epoch(0, 9)
    with pytest.raises(IndexError):
        dataset[3]
