"""What is fed is counted once, in order, and in the unit it is in."""

import threading

import keras
import numpy as np
import pytest

from keras_selfattn.data.timed_feed import Fed, TimedFeed, batch_amount


class Numbered(keras.utils.PyDataset):
    """Ten batches; which thread made one is kept."""

    def __init__(self, **options):
        super().__init__(**options)
        self.threads = {}

    def __len__(self):
        return 10

    def __getitem__(self, index):
        self.threads[index] = threading.current_thread().name
        return {"token_ids": np.full((2, 3), index, "int32")}, np.zeros(2)


@pytest.mark.parametrize("threads", [None, 0, 1, 4])
def test_batches_come_in_order_and_are_counted_once(threads):
    dataset, fed = Numbered(), Fed()
    feed = TimedFeed(dataset, fed, threads)
    feed[0]  # as Keras does, to see what a batch looks like
    found = [int(x["token_ids"][0, 0]) for x, _ in feed.batches()]
    assert found == list(range(10))
    assert (fed.unit, fed.amount) == ("tokens", 9 * 6)  # all but the zeros
    here = threading.current_thread().name
    made_here = [name == here for name in dataset.threads.values()]
    assert all(made_here) if not threads else not any(made_here)
    assert fed.waited_seconds > 0
    with pytest.raises(IndexError, match="batch 10 of 10"):
        feed[10]


def test_workers_of_the_dataset_are_the_threads():
    dataset = Numbered(workers=3)
    list(TimedFeed(dataset, Fed()).batches())
    assert threading.current_thread().name not in dataset.threads.values()


def test_an_error_of_a_thread_is_raised_where_its_batch_is_asked_for():
    class Broken(Numbered):
        def __getitem__(self, index):
            if index == 3:
                raise ValueError("no batch")
            return super().__getitem__(index)

    feed = TimedFeed(Broken(workers=2), Fed())
    for index in range(3):
        feed[index]
    with pytest.raises(ValueError, match="no batch"):
        feed[3]
    feed.close()


def test_the_unit_is_what_a_batch_holds():
    class Sound:
        sampling_rate_hz = 8000

    class Wrapper:
        dataset = Sound()

    sound = {"samples": np.zeros((2, 9)), "num_samples": np.array([4000, 2000])}
    for dataset in (Sound(), Wrapper()):
        assert batch_amount(dataset, (sound, None)) == ("audio_seconds", 0.75)
    pair = {
        "source_ids": np.array([[3, 4, 0]]),
        "target_ids": np.array([[1, 0]]),
    }
    assert batch_amount(None, (pair, None)) == ("tokens", 3.0)
    assert batch_amount(None, (np.array([[5, 0]]), None)) == ("tokens", 1.0)
    features = {"features": np.zeros((4, 2)), "lengths": np.array([1, 2, 1, 1])}
    assert batch_amount(None, (features, None)) == ("rows", 4.0)
