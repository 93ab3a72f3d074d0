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


def test_a_scale_is_a_learning_rate_of_its_own():
    """Also with weight decay, and counted in momenta that are as ever."""
    ones = [np.ones((2, 2), "float32"), np.arange(2, dtype="float32")]
    ends = {}
    for rate in (0.01, 0.0025, None):
        variables = [
            keras.Variable(np.full_like(one, 3), name=name)
            for one, name in zip(ones, ("low", "high"))
        ]
        scales = {"low": 0.25} if rate is None else {}
        optimizer = GuardedAdamW(rate or 0.01, scales, weight_decay=0.1)
        for factor in (1.0, -0.5, 2.0):
            gradients = [keras.ops.convert_to_tensor(factor * g) for g in ones]
            optimizer.apply(gradients, variables)
        ends[rate] = [keras.ops.convert_to_numpy(v.value) for v in variables]
    for ours, expected in zip(ends[None], (ends[0.0025][0], ends[0.01][1])):
        np.testing.assert_allclose(ours, expected, rtol=1e-6)
    assert np.abs(ends[0.01][0] - ends[0.0025][0]).max() > 1e-3


def test_accumulated_steps_equal_one_big_batch():
    """Clipped, decayed and scaled alike, over one `fit` and the next."""
    ends = []
    for size, steps in ((8, None), (2, 4)):
        model = build("adamw")  # of which the paths are known
        scales = {model.layers[0].kernel.path: 0.5}
        optimizer = GuardedAdamW(
            **arguments(),
            learning_rate_scales=scales,
            gradient_accumulation_steps=steps,
        )
        model.compile(optimizer, loss="mse")
        # The second big batch is begun in one `fit` and ended in another.
        cuts = (0, 8, 16) if steps is None else (0, 8, 12, 16)
        for start, stop in zip(cuts, cuts[1:]):
            model.fit(
                X[start:stop],
                Y[start:stop],
                batch_size=size,
                shuffle=False,
                verbose=0,
            )
        assert int(optimizer.iterations) == 2
        ends.append(model.get_weights())
    first = build("adamw").get_weights()
    for big, small, start in zip(*ends, first, strict=True):
        np.testing.assert_allclose(small, big, rtol=1e-5, atol=1e-6)
        assert np.abs(big - start).max() > 1e-3


def test_a_scale_of_nothing_is_refused():
    variable = keras.Variable(np.ones(2, "float32"), name="there")
    with pytest.raises(ValueError, match="names gone; no variable"):
        GuardedAdamW(1.0, {"gone": 0.5}).build([variable])
    with pytest.raises(ValueError, match=r"must be >= 0; got \{'there': -1\}"):
        GuardedAdamW(1.0, {"there": -1})
