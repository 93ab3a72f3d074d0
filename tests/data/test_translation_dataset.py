import keras
import numpy as np
import pytest

from keras_selfattn.data.parallel_corpora import ParallelExample
from keras_selfattn.data.translation_dataset import TranslationDataset
from keras_selfattn.preprocessing.translation_text import BOS_ID, EOS_ID
from tests.translation_examples import number_pairs, number_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return number_tokenizer()


def make(tokenizer, pairs=None, **kwargs):
    kwargs = {"batch_tokens": 64, "progress": False, **kwargs}
    return TranslationDataset(pairs or number_pairs(60), tokenizer, **kwargs)


def epoch_of(dataset, epoch, **kwargs):
    dataset.set_epoch(epoch, **kwargs)
    return list(dataset.batches())


def assert_same(first, second):
    for one, other in zip(first, second, strict=True):
        for a, b in zip(
            keras.tree.flatten(one), keras.tree.flatten(other), strict=True
        ):
            np.testing.assert_array_equal(a, b)


def test_a_batch_holds_its_pairs(tokenizer):
    dataset = make(tokenizer)
    seen = []
    for index, (inputs, labels) in enumerate(dataset.batches()):
        source, target = inputs["source_ids"], inputs["target_ids"]
        assert source.dtype == target.dtype == labels.dtype == "int32"
        assert labels.shape == target.shape
        assert (target[:, 0] == BOS_ID).all()
        np.testing.assert_array_equal(target[:, 1:], labels[:, :-1])
        rows = dataset.batch_examples(index)
        seen += rows
        for row, pair in enumerate(rows):
            for ids, text in ((source, pair.source), (labels, pair.target)):
                real = ids[row][ids[row] != 0]
                assert real[-1] == EOS_ID
                assert tokenizer.decode(real) == text
                assert not ids[row, len(real) :].any()
    assert sorted(pair.source for pair in seen) == sorted(
        pair.source for pair in dataset.examples
    )
    assert dataset.num_target_tokens == sum(
        (labels != 0).sum() for _, labels in dataset.batches()
    )
    assert dataset.longest_source == max(
        (inputs["source_ids"] != 0).sum(1).max()
        for inputs, _ in dataset.batches()
    )


def test_batches_have_about_as_many_tokens(tokenizer):
    dataset = make(tokenizer, batch_tokens=48, length_multiple=2)
    sizes = [max(x["source_ids"].size, y.size) for x, y in epoch_of(dataset, 1)]
    assert max(sizes) <= 48
    assert np.median(sizes) > 30
    widths = {x["source_ids"].shape[1] for x, _ in dataset.batches()}
    assert len(widths) > 1
    assert all(width % 2 == 0 for width in widths)


def test_an_epoch_is_a_function_of_seed_and_number(tokenizer):
    first = make(tokenizer, seed=5)
    epochs = [epoch_of(first, epoch) for epoch in range(3)]
    second = make(tokenizer, seed=5)
    assert_same(epochs[2], epoch_of(second, 2))
    assert_same(epochs[1][2:], epoch_of(second, 1, first_batch=2))
    with pytest.raises((AssertionError, ValueError)):
        assert_same(epochs[0], epochs[1])
    with pytest.raises((AssertionError, ValueError)):
        assert_same(epochs[0], epoch_of(make(tokenizer, seed=6), 0))


def test_texts_are_cut_anew_in_each_epoch(tokenizer):
    dataset = make(tokenizer, segmentations=4, alpha=0.0, seed=2)
    again = make(tokenizer, segmentations=4, alpha=0.0, seed=2)
    spellings = {}
    for epoch in range(4):
        batches = epoch_of(dataset, epoch)
        assert_same(batches, epoch_of(again, epoch))
        for index, (inputs, labels) in enumerate(batches):
            for row, pair in enumerate(dataset.batch_examples(index)):
                source = inputs["source_ids"][row]
                assert tokenizer.decode(source) == pair.source
                assert tokenizer.decode(labels[row]) == pair.target
                spelling = tuple(source[source != 0])
                spellings.setdefault(pair.source, set()).add(spelling)
    counts = [len(found) for found in spellings.values()]
    assert max(counts) <= 4
    drawn = {len(way) for found in spellings.values() for way in found}
    assert dataset.longest_source >= max(drawn)
    assert np.mean(counts) > 1.5
    # A large alpha leaves the best one, as without.
    best = make(tokenizer, segmentations=4, alpha=1e3, seed=2)
    plain = {pair.source: None for pair in best.examples}
    for index, (inputs, _) in enumerate(best.batches()):
        for row, pair in enumerate(best.batch_examples(index)):
            ids = inputs["source_ids"][row]
            plain[pair.source] = ids[ids != 0].tolist()
    for text, ids in plain.items():
        assert tokenizer.decode(ids) == text
        ways = tokenizer.encode_best(text, 4)
        assert ids[:-1] in [w for w, score in ways if score > ways[0][1] - 0.1]


@pytest.mark.parametrize("wrong", [{"segmentations": 0}, {"alpha": -0.1}])
def test_settings_have_ranges(tokenizer, wrong):
    with pytest.raises(ValueError, match="expected segmentations >= 1"):
        make(tokenizer, **wrong)


def test_without_shuffling_the_order_is_by_length(tokenizer):
    dataset = make(tokenizer, shuffle=False)
    widths = [
        max(x["source_ids"].shape[1], y.shape[1])
        for x, y in epoch_of(dataset, 3)
    ]
    assert widths == sorted(widths)
    with pytest.raises(ValueError, match="first_batch=99"):
        dataset.set_epoch(0, first_batch=99)
    with pytest.raises(IndexError):
        dataset[99]


def test_two_vocabularies(tokenizer):
    digits = number_tokenizer(
        [pair.target for pair in number_pairs(200)], vocabulary_size=15
    )
    dataset = make(tokenizer, target_tokenizer=digits)
    (inputs, labels), pairs = dataset[0], dataset.batch_examples(0)
    assert tokenizer.decode(inputs["source_ids"][0]) == pairs[0].source
    assert digits.decode(labels[0]) == pairs[0].target


def test_what_is_too_long_is_left_out_and_counted(tokenizer, capsys):
    long = ParallelExample("nine " * 30, "9 " * 30, "train")
    dataset = make(
        tokenizer, [*number_pairs(4), long], max_tokens=20, progress=True
    )
    assert len(dataset.examples) == 4
    assert "1 have more than 20 tokens" in capsys.readouterr().err
    with pytest.raises(ValueError, match="No pair can be used: 1 have"):
        make(tokenizer, [long], max_tokens=20)


@pytest.mark.backend
def test_fit_takes_batches_of_changing_shape(tokenizer):
    """The loss of this model is the number of tokens of a row."""
    source = keras.Input((None,), dtype="int32", name="source_ids")
    target = keras.Input((None,), dtype="int32", name="target_ids")
    count = keras.ops.sum(
        keras.ops.cast(source > 0, "float32"), axis=1, keepdims=True
    )
    output = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    model = keras.Model(
        {"source_ids": source, "target_ids": target}, output(count)
    )
    model.compile(
        keras.optimizers.SGD(0.0),
        loss=lambda y, p: keras.ops.mean(
            p[:, 0] + keras.ops.sum(keras.ops.cast(y > 0, "float32"), axis=1)
        ),
        jit_compile=False,
    )
    dataset = make(tokenizer)
    dataset.set_epoch(1)
    rows = [len(y) for _, y in dataset.batches()]
    means = [
        ((x["source_ids"] > 0).sum() + (y > 0).sum()) / len(y)
        for x, y in dataset.batches()
    ]
    history = model.fit(dataset.for_backend(), shuffle=False, verbose=0)
    np.testing.assert_allclose(
        history.history["loss"], [np.average(means, weights=rows)], rtol=1e-4
    )
