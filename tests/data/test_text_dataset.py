import numpy as np
import pytest

from keras_selfattn.data.text_dataset import TextDataset
from keras_selfattn.data.text_tables import TextExample
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer

WORDS = ["<padding>", "<unknown>", "a", "b"]
EXAMPLES = [
    TextExample("a " * (i % 11), "pos" if i % 3 else "neg", "train")
    for i in range(50)
]


def dataset(ngrams=None, **options):
    options = {"batch_size": 8, "length_multiple": 4, **options}
    return TextDataset(
        EXAMPLES, TextTokenizer(WORDS, ngrams=ngrams), ["neg", "pos"], **options
    )


def test_every_text_stands_in_one_batch_with_its_class():
    found = dataset()
    seen = []
    for index in range(len(found)):
        inputs, classes = found[index]
        ids = inputs["token_ids"]
        assert ids.dtype == classes.dtype == np.int32
        assert ids.shape[1] % 4 == 0
        for example, row, place in zip(
            found.batch_examples(index), ids, classes, strict=True
        ):
            count = len(example.text.split())
            assert (row[:count] == 2).all()
            assert not row[max(count, 1) :].any()
            assert ["neg", "pos"][place] == example.label
            seen.append(id(example))
    assert sorted(seen) == sorted(map(id, EXAMPLES))
    assert len(list(found.batches())) == len(found)


def test_an_epoch_is_the_same_for_the_same_seed():
    def texts(found):
        return [
            [e.text for e in found.batch_examples(i)] for i in range(len(found))
        ]

    one, other = dataset(seed=3), dataset(seed=3)
    one.set_epoch(2)
    other.set_epoch(2, first_batch=2)
    assert texts(one)[2:] == texts(other)
    other.set_epoch(1)
    assert texts(one) != texts(other)
    lengths = [i[0]["token_ids"].shape[1] for i in dataset(shuffle=False)]
    assert lengths == sorted(lengths)


def test_ngrams_are_as_wide_as_the_tokens_call_for():
    found = dataset({"orders": [1, 2], "num_buckets": 9})
    for inputs, _ in found.batches():
        width = inputs["token_ids"].shape[1]
        assert inputs["ngram_ids"].shape[1] == 2 * width
    letters = dataset({"orders": [2], "num_buckets": 9, "unit": "characters"})
    assert letters[0][0]["ngram_ids"].shape[1] == 128


def test_targets_and_weights_of_your_own():
    soft = np.random.default_rng(0).dirichlet([1, 1], 50)
    weights = np.arange(50.0)
    found = dataset(soft_targets=soft, sample_weights=weights, shuffle=False)
    for index in range(len(found)):
        _, targets, weight = found[index]
        places = [int(w) for w in weight]
        np.testing.assert_allclose(targets, soft[places], rtol=1e-6)
        assert [EXAMPLES[i] for i in places] == found.batch_examples(index)
    with pytest.raises(ValueError, match=r"soft_targets has shape \(50,\)"):
        dataset(soft_targets=weights)


def test_batches_by_tokens():
    found = dataset(batch_size=None, batch_tokens=40)
    for inputs, _ in found.batches():
        assert inputs["token_ids"].size <= 40


def test_long_work_says_how_far_it_is():
    calls = []
    TextDataset(
        EXAMPLES * 40,
        TextTokenizer(WORDS),
        ["neg", "pos"],
        progress=lambda *call: calls.append(call),
    )
    assert calls == [(1000, 2000), (2000, 2000)]


def test_what_cannot_be_used_is_refused():
    with pytest.raises(ValueError, match=r"labels \['neg'\] that are not"):
        TextDataset(EXAMPLES, TextTokenizer(WORDS), ["pos", "other"])
    with pytest.raises(ValueError, match="no example"):
        TextDataset([], TextTokenizer(WORDS), ["pos", "neg"])
    with pytest.raises(ValueError, match="first_batch=99"):
        dataset().set_epoch(0, first_batch=99)
    with pytest.raises(IndexError):
        dataset()[99]
