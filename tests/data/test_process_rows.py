import keras
import numpy as np
import pytest

from keras_selfattn.data.process_rows import ProcessRows
from tests.small_trainings import TRAININGS


class Numbers(keras.utils.PyDataset):
    """Batches of 5, 4 and 1 numbers, with or without weights."""

    def __init__(self, weights=False):
        super().__init__()
        self.weights = weights
        self.epoch = None

    def set_epoch(self, epoch, first_batch=0):
        self.epoch = epoch, first_batch

    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = np.arange((5, 4, 1)[index]) + 10.0 * index
        batch = {"x": np.stack([rows, rows], 1)}, rows
        return (*batch, np.ones((len(rows), 2))) if self.weights else batch


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("multiple", [1, 2])
def test_every_row_counts_in_one_process_alone(size, multiple):
    parts = [
        ProcessRows(Numbers(), rank, size, multiple) for rank in range(size)
    ]
    for index in range(3):
        batches = [part[index] for part in parts]
        (length,) = {len(targets) for _, targets, _ in batches}
        assert length % multiple == 0
        counted = [t[w > 0] for _, t, w in batches]
        whole = Numbers()[index][1]
        np.testing.assert_array_equal(np.concatenate(counted), whole)
        for inputs, targets, weights in batches:
            np.testing.assert_array_equal(inputs["x"][:, 1], targets)
            assert weights.dtype == "float32"
        # A mean over each process's rows is one over the rows that count.
        means = [np.mean(t * w) for _, t, w in batches]
        assert np.mean(means) == pytest.approx(np.mean(whole), rel=1e-6)


def test_weights_of_its_own_are_kept():
    *_, weights = ProcessRows(Numbers(weights=True), 1, 2)[0]
    assert weights.shape == (3, 2)
    np.testing.assert_allclose(weights, [[1.2, 1.2], [1.2, 1.2], [0, 0]])


def test_epochs_and_resuming_are_the_datasets():
    rows = ProcessRows(Numbers(), 0, 2)
    rows.set_epoch(3, first_batch=1)
    assert rows.dataset.epoch == (3, 1) and len(rows) == 3
    assert len(list(rows.batches())) == 3


def test_a_rank_that_is_none_is_refused():
    with pytest.raises(ValueError, match="rank=2, size=2"):
        ProcessRows(Numbers(), 2, 2)


@pytest.mark.parametrize("name", TRAININGS)
def test_real_datasets_lose_nothing_and_mix_nothing(name):
    """Also those that make a process's rows alone (`rows_of`)."""
    _, dataset = TRAININGS[name]()
    for epoch in range(2):
        parts = [ProcessRows(dataset, rank, 3) for rank in range(3)]
        parts[0].set_epoch(epoch)
        for index in range(len(dataset)):
            whole = keras.tree.flatten(dataset[index])
            shares = [part[index] for part in parts]
            weights = np.concatenate([share[2] for share in shares])
            flat = [keras.tree.flatten(share[:2]) for share in shares]
            for array, *pieces in zip(whole, *flat, strict=True):
                joined = np.concatenate(pieces)
                assert {p.shape[1:] for p in pieces} == {array.shape[1:]}
                np.testing.assert_array_equal(joined[weights > 0], array)


@pytest.mark.backend
def test_fit_takes_it():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", loss="mse")
    model.build((None, 2))

    class Rows(Numbers):
        def __getitem__(self, index):
            inputs, targets = super().__getitem__(index)
            return inputs["x"].astype("float32"), targets.astype("float32")

    rows = ProcessRows(Rows(), 1, 2)
    history = model.fit(rows.for_backend(), shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
