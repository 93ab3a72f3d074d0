import time

import keras
import numpy as np
import pytest

from keras_selfattn.data.feeding import as_tf_dataset, for_backend
from keras_selfattn.data.timed_feed import TimedFeed


class Growing(keras.utils.PyDataset):
    """Three batches of lengths 1, 2 and 3."""

    def __len__(self):
        return 3

    def __getitem__(self, index):
        ids = np.full((2, index + 1), index, "int32")
        return {"ids": ids}, np.array([0, 1], "int32")

    def batches(self):
        return (self[index] for index in range(len(self)))


@pytest.mark.backend
def test_fit_takes_lengths_that_vary():
    ids = keras.Input((None,), dtype="int32", name="ids")
    x = keras.layers.Embedding(4, 2)(ids)
    x = keras.layers.GlobalAveragePooling1D()(x)
    model = keras.Model({"ids": ids}, keras.layers.Dense(2)(x))
    model.compile(
        "sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    )
    dataset = Growing()
    found = for_backend(dataset)
    history = model.fit(found, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    is_tensorflow = keras.backend.backend() == "tensorflow"
    assert isinstance(found, TimedFeed) != is_tensorflow
    assert (dataset.fed.unit, dataset.fed.amount) == ("tokens", 2 * (2 + 3))
    assert 0 < dataset.fed.waited_seconds < 5


@pytest.mark.backend
def test_waiting_is_what_a_step_waits_not_what_is_done_meanwhile():
    """A tenth of a second a batch, made by one thread or by three."""

    class Slow(Growing):
        def __len__(self):
            return 9

        def __getitem__(self, index):
            time.sleep(0.1)
            return np.ones((2, 1), "float32"), np.ones((2, 1), "float32")

    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.fit(np.ones((2, 1)), np.ones((2, 1)), verbose=0)
    waited = []
    for workers in (1, 3):
        dataset = Slow(workers=workers)
        model.fit(for_backend(dataset), shuffle=False, verbose=0)
        waited.append(dataset.fed.waited_seconds)
        assert (dataset.fed.unit, dataset.fed.amount) == ("rows", 18)
    assert waited[0] > 0.7  # on TensorFlow two are made before the first step
    assert waited[1] < 0.75 * waited[0]


def test_tf_data_gives_the_same_batches():
    pytest.importorskip("tensorflow")
    dataset = as_tf_dataset(Growing())
    assert int(dataset.cardinality()) == 3
    for (inputs, targets), wanted in zip(dataset, Growing().batches()):
        np.testing.assert_array_equal(inputs["ids"], wanted[0]["ids"])
        np.testing.assert_array_equal(targets, wanted[1])
    assert dataset.element_spec[0]["ids"].shape.as_list() == [None, None]
