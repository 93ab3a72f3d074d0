import keras
import numpy as np
import pytest

from keras_selfattn.training.guarded_adamw import GuardedAdamW

pytestmark = pytest.mark.backend

X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(16, 2)).astype("float32")


def build(optimizer):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, activation="relu"),
            keras.layers.Dense(2),
        ]
    )
    model.compile(optimizer, loss="mse")
    return model


def arguments():
    return {"learning_rate": 0.01, "global_clipnorm": 1.0, "beta_2": 0.98}


def fit(model, y=Y):
    model.fit(X, y, batch_size=4, shuffle=False, verbose=0)
    return model.get_weights()


def test_is_adamw_while_gradients_are_finite():
    guarded, plain = (
        build(GuardedAdamW(**arguments())),
        build(keras.optimizers.AdamW(**arguments())),
    )
    for ours, theirs in zip(fit(guarded), fit(plain), strict=True):
        # Not bit for bit: torch lays the checked gradients out anew.
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert int(guarded.optimizer.skipped.value) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_bad_batch_spoils_adamw_but_not_this(value):
    bad = Y.copy()
    bad[5] = value  # in the second of four batches
    spoiled = fit(build(keras.optimizers.AdamW(**arguments())), bad)
    assert all(np.isnan(weight).all() for weight in spoiled)
    model = build(GuardedAdamW(**arguments()))
    first = fit(model, bad)
    assert all(np.isfinite(weight).all() for weight in first)
    assert int(model.optimizer.skipped.value) == 1
    assert all(
        np.isfinite(keras.ops.convert_to_numpy(variable.value)).all()
        for variable in model.optimizer.variables
    )
    # It goes on learning.
    assert any((a != b).any() for a, b in zip(fit(model), first, strict=True))
    assert int(model.optimizer.skipped.value) == 1


def test_the_bad_step_is_a_step_with_zero_gradients():
    ones = [np.ones((2, 2), "float32"), np.ones(2, "float32")]
    bad = [np.ones((2, 2), "float32"), np.array([1, np.inf], "float32")]
    zero = [np.zeros((2, 2), "float32"), np.zeros(2, "float32")]
    ends = []
    for optimizer, second in (
        (GuardedAdamW(**arguments()), bad),
        (keras.optimizers.AdamW(**arguments()), zero),
    ):
        variables = [keras.Variable(np.full_like(one, 3)) for one in ones]
        for gradients in (ones, second, ones):
            optimizer.apply(
                [keras.ops.convert_to_tensor(g) for g in gradients], variables
            )
        ends.append([keras.ops.convert_to_numpy(v.value) for v in variables])
    for ours, expected in zip(*ends, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_its_config_brings_it_back():
    optimizer = keras.optimizers.deserialize(
        keras.optimizers.serialize(GuardedAdamW(**arguments()))
    )
    assert type(optimizer) is GuardedAdamW
    assert optimizer.global_clipnorm == 1.0
    assert optimizer.beta_2 == 0.98
