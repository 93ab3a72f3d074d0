import keras
import numpy as np
import pytest

from keras_selfattn.data.causal_dataset import TextRows, TokenWindows


def arrays(dataset):
    return [(x["token_ids"], y) for x, y in dataset.batches()]


def test_windows_are_pieces_of_the_text_and_labels_one_further():
    text = np.random.default_rng(0).permutation(200)
    dataset = TokenWindows(text, 7, 4, steps=5)
    places = {token: place for place, token in enumerate(text)}
    found = arrays(dataset)
    assert len(found) == len(dataset) == 5 and dataset.num_tokens == 200
    starts = set()
    for ids, labels in found:
        assert ids.shape == labels.shape == (4, 7)
        for row, following in zip(ids, labels, strict=True):
            first = places[row[0]]
            starts.add(first)
            np.testing.assert_array_equal(row, text[first : first + 7])
            np.testing.assert_array_equal(
                following, text[first + 1 : first + 8]
            )
    assert len(starts) > 10
    # The last token is a label, too.
    dataset = TokenWindows(np.arange(9), 7, 50, steps=1)
    ids, labels = dataset[0]
    assert labels.max() == 8 and ids["token_ids"].min() == 0


ROWS = [[1, 5, 6, 2], [1, 2], [1, 7, 8, 9, 9, 9, 2], [1, 3, 2], [4]]


def rows(**options):
    return TextRows(ROWS, batch_tokens=12, length_multiple=2, **options)


def test_texts_stay_whole_and_are_padded():
    found = arrays(rows(shuffle=False))
    texts = []
    for ids, labels in found:
        assert ids.shape[1] % 2 == 0 and ids.size <= 12
        for row, following in zip(ids, labels, strict=True):
            np.testing.assert_array_equal(row[1:], following[:-1])
            texts.append([row[0], *following[following > 0]])
    assert sorted(texts) == sorted(ROWS[:4])  # one token: nothing to learn
    assert rows().num_tokens == 3 + 1 + 6 + 2
    cut = rows(max_tokens=3)
    assert cut.num_tokens == 3 + 1 + 3 + 2


@pytest.mark.parametrize(
    "make",
    [
        lambda **options: TokenWindows(np.arange(99), 5, 2, 4, **options),
        lambda **options: TextRows(ROWS * 5, 12, 2, **options),
    ],
    ids=["windows", "texts"],
)
def test_an_epoch_is_a_function_of_seed_and_number(make):
    def content(dataset, epoch, first=0):
        dataset.set_epoch(epoch, first)
        return [part.tolist() for batch in arrays(dataset) for part in batch]

    dataset = make(seed=3)
    first, second = content(dataset, 0), content(dataset, 1)
    assert first != second and content(make(seed=4), 0) != first
    assert content(make(seed=3), 1) == second
    assert content(dataset, 1, first=1) == second[2:]
    with pytest.raises(ValueError, match="first_batch=99; there are"):
        dataset.set_epoch(0, 99)
    with pytest.raises(IndexError):
        dataset[50]


@pytest.mark.backend
def test_fit_takes_batches_of_changing_shape():
    inputs = keras.Input((None,), dtype="int32", name="token_ids")
    outputs = keras.layers.Embedding(10, 10)(inputs)
    model = keras.Model({"token_ids": inputs}, outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("sgd", loss)
    dataset = rows()
    history = model.fit(dataset.for_backend(), shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_what_cannot_be_learned_from_is_named():
    with pytest.raises(ValueError, match="a text of 5 tokens; expected"):
        TokenWindows(np.arange(5), 5, 1, 1)
    with pytest.raises(ValueError, match="steps=0"):
        TokenWindows(np.arange(9), 5, 1, 0)
    with pytest.raises(ValueError, match="no text of at least two tokens"):
        TextRows([[4], []])


def test_rows_are_filled_with_the_id_of_padding():
    rows = TextRows([[5, 6, 7], [0, 8]], padding_id=9, length_multiple=4)
    ((inputs, labels),) = rows.batches()
    found = sorted(inputs["token_ids"].tolist())
    assert found == [[0, 8, 9, 9], [5, 6, 7, 9]]
    assert sorted(labels.tolist()) == [[6, 7, 9, 9], [8, 9, 9, 9]]
