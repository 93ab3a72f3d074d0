import threading

import keras
import numpy as np
import pytest

from keras_selfattn.data.backend_feed import batches_ahead, feed_for_backend


class Counting(keras.utils.PyDataset):
    """Batch i has i + 1 rows of i + 2 numbers i."""

    def __init__(self, length=5):
        super().__init__()
        self.length = length
        self.threads = set()

    def __len__(self):
        return self.length

    def __getitem__(self, index):
        self.threads.add(threading.get_ident())
        values = np.full((index + 1, index + 2), index, "float32")
        return {"values": values}, np.full(index + 1, index, "int32")

    def batches(self):
        return batches_ahead(self)


@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_order_made_by_threads(workers):
    dataset = Counting(9)
    found = [labels[0] for _, labels in batches_ahead(dataset, workers)]
    assert found == list(range(9))
    assert threading.get_ident() not in dataset.threads
    assert len(dataset.threads) <= workers


@pytest.mark.backend
def test_the_backend_gets_every_batch_as_it_is():
    dataset = Counting()
    feed = feed_for_backend(dataset)
    assert len(feed) == 5
    if keras.backend.backend() != "tensorflow":
        assert feed is dataset
        return
    for (x, y), (x_fed, y_fed) in zip(
        dataset.batches(), feed.as_numpy_iterator(), strict=True
    ):
        np.testing.assert_array_equal(x["values"], x_fed["values"])
        np.testing.assert_array_equal(y, y_fed)
        assert y_fed.dtype == "int32"
