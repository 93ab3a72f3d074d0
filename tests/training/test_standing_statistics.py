import keras
import numpy as np
import pytest

from keras_selfattn.layers import SpectralDense
from keras_selfattn.training.standing_statistics import standing_statistics
from tests.arrays import to_numpy


@pytest.mark.backend
def test_batch_norms_get_the_means_over_batches_and_nothing_else_changes():
    dense = SpectralDense(3, name="dense")
    norm = keras.layers.BatchNormalization(momentum=0.9, name="norm")
    model = keras.Sequential([keras.Input((4,)), dense, norm])
    model.trainable = False  # as a mean of weights is
    batches = np.random.default_rng(0).normal(size=(3, 8, 4)).astype("float32")
    vector = to_numpy(dense.singular_vector).copy()
    # A call in training moves the vector: each batch sees it moved further.
    seen = []
    for batch in batches:
        seen.append(to_numpy(dense(batch, training=True)))
    dense.singular_vector.assign(vector)
    standing_statistics(model, iter(batches))
    np.testing.assert_allclose(
        to_numpy(norm.moving_mean),
        np.mean([x.mean(0) for x in seen], 0),
        atol=1e-5,
    )
    np.testing.assert_allclose(
        to_numpy(norm.moving_variance),
        np.mean([x.var(0) for x in seen], 0),
        atol=1e-5,
    )
    np.testing.assert_array_equal(to_numpy(dense.singular_vector), vector)
    assert norm.momentum == 0.9 and not norm.trainable


def test_without_batches_or_norms():
    with pytest.raises(ValueError, match="has no batch norm"):
        standing_statistics(
            keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]), []
        )
