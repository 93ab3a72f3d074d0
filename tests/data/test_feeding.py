import keras
import numpy as np
import pytest

from keras_selfattn.data.feeding import as_tf_dataset, for_backend


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
    found = for_backend(Growing())
    history = model.fit(found, shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    is_tensorflow = keras.backend.backend() == "tensorflow"
    assert isinstance(found, Growing) != is_tensorflow


def test_tf_data_gives_the_same_batches():
    pytest.importorskip("tensorflow")
    dataset = as_tf_dataset(Growing())
    assert int(dataset.cardinality()) == 3
    for (inputs, targets), wanted in zip(dataset, Growing().batches()):
        np.testing.assert_array_equal(inputs["ids"], wanted[0]["ids"])
        np.testing.assert_array_equal(targets, wanted[1])
    assert dataset.element_spec[0]["ids"].shape.as_list() == [None, None]
