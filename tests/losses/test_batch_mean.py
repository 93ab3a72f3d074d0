import keras
import numpy as np
import pytest
from keras import ops

from keras_selfattn.losses.batch_mean import batch_mean, counts_over_processes
from keras_selfattn.losses.cross_entropy import token_mean

pytestmark = pytest.mark.backend


def test_it_is_total_over_count_and_zero_of_nothing():
    assert float(batch_mean(ops.convert_to_tensor(6.0), 3.0)) == 2.0
    assert float(batch_mean(ops.convert_to_tensor(0.0), 0.0)) == 0.0


def test_the_mean_of_the_processes_means_is_that_of_the_whole_batch():
    generator = np.random.default_rng(0)
    costs = generator.random((6, 5)).astype("float32")
    counted = generator.random((6, 5)) < 0.4
    counted[:3, 1:] = False  # the first process counts few
    whole = float(token_mean(ops.convert_to_tensor(costs), counted))
    parts = [
        (ops.convert_to_tensor(costs[half]), counted[half])
        for half in (slice(3), slice(3, 6))
    ]
    with counts_over_processes(lambda own: own * 0 + counted.sum(), 2):
        means = [float(token_mean(*part)) for part in parts]
    assert np.mean(means) == pytest.approx(whole, rel=1e-6)
    plain = [float(token_mean(*part)) for part in parts]
    assert abs(np.mean(plain) - whole) > 1e-3
    # Outside of the block it is one process's again, after an error, too.
    with pytest.raises(KeyError), counts_over_processes(None, 2):
        raise KeyError
    assert float(token_mean(ops.convert_to_tensor(costs), counted)) == whole


def test_gradients_have_the_factor_of_the_mean():
    if keras.backend.backend() != "torch":
        pytest.skip("the loss itself is tested on all backends")
    weights = ops.convert_to_tensor(np.ones(2, "float32"))
    weights.requires_grad_(True)
    with counts_over_processes(lambda own: own + 5.0, 2):
        batch_mean(
            ops.sum(weights * 3.0), ops.convert_to_tensor(1.0)
        ).backward()
    np.testing.assert_allclose(weights.grad.numpy(), 2 * 3.0 / 6.0)
