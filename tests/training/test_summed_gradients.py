import keras
import numpy as np
import pytest
from keras import ops

from keras_selfattn.training import summed_gradients
from keras_selfattn.training.guarded_adamw import GuardedAdamW
from keras_selfattn.training.summed_gradients import SummedGradients
from tests.arrays import to_numpy

pytestmark = pytest.mark.backend


class Twin(SummedGradients):
    """Two processes of which the other has the same, times `factor`."""

    def __init__(self, rank=0, factor=3.0):
        super().__init__(rank, 2)
        self.factor, self.sums = factor, 0

    def sum_tensor(self, tensor):
        self.sums += 1
        return tensor * (1 + self.factor)

    def sum_integers(self, values):
        # The first process's values, where this is the other.
        return values if self.is_first else FIRST.pop(0)


FIRST = []


@pytest.fixture(autouse=True)
def not_on_jax():
    if keras.backend.backend() == "jax":
        pytest.skip("JAX runs one program on all devices")


def build(optimizer, dropout=0.1):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(2),
            keras.layers.Dropout(dropout),
        ]
    )
    model.compile(optimizer, loss="mse", jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model


@pytest.mark.parametrize("bucket", [2**24, 1])
def test_the_optimizer_sees_the_mean(monkeypatch, bucket):
    monkeypatch.setattr(summed_gradients, "_BUCKET", bucket)
    twin, seen = Twin(), []

    class Looks(GuardedAdamW):
        def apply(self, grads, trainable_variables=None):
            seen.extend(grads)

    model = build(Looks(0.1))
    twin.prepare(model)
    grads = [ops.convert_to_tensor(np.full((3, 2), 2.0, "float32")), None]
    model.optimizer.apply(grads, model.trainable_variables)
    np.testing.assert_allclose(to_numpy(seen[0]), np.full((3, 2), 4.0))
    assert seen[1] is None and twin.sums == 1
    model.optimizer.apply([grads[0], ops.ones((2,))])
    assert twin.sums == (2 if bucket > 1 else 3)


def test_preparing_twice_sums_once():
    twin = Twin()
    model = build(keras.optimizers.SGD(1.0))
    for _ in range(2):
        twin.prepare(model)
    before = model.get_weights()
    grads = [ops.ones((3, 2)), ops.ones((2,))]
    model.optimizer.apply(grads, model.trainable_variables)
    for weight, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_allclose(weight, old - 2.0, rtol=1e-6)


def test_each_step_reports_the_mean_over_processes():
    model = build(keras.optimizers.SGD(0.0), dropout=0.0)
    data = np.ones((4, 3), "float32"), np.zeros((4, 2), "float32")
    alone = model.train_on_batch(*data)
    Twin(factor=0.0).prepare(model)
    seen = []
    look = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(float(logs["loss"]))
    )
    model.fit(*data, batch_size=4, verbose=0, callbacks=[look])
    assert seen == [pytest.approx(float(alone) / 2, rel=1e-4)]


def test_all_get_the_first_ones_values_and_seeds_of_their_own():
    first, second = build("sgd"), build("sgd")

    def everything(model):
        return [*model.variables, *model.optimizer.variables]

    for variable in everything(second):
        variable.assign(ops.zeros_like(variable))
    for variable in everything(first):
        value = np.ascontiguousarray(to_numpy(variable.value))
        padding = b"\0" * (-value.nbytes % 4)
        FIRST.append(np.frombuffer(value.tobytes() + padding, "int32"))
    Twin(rank=1).prepare(second)
    assert not FIRST
    differ = []
    for ours, theirs in zip(everything(second), everything(first), strict=True):
        if not np.array_equal(to_numpy(ours.value), to_numpy(theirs.value)):
            differ.append(ours.path.rsplit("/", 1)[-1])
    assert differ == ["seed_generator_state"]
