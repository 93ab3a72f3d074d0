import math

import keras
import numpy as np
import pytest

from keras_selfattn.training.schedules import WarmupCosine, WarmupInverseSqrt

pytestmark = pytest.mark.backend


def reference(step, peak, total, warmup, final):
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    done = min(1.0, (step - warmup) / (total - warmup))
    cosine = 0.5 * (1 + math.cos(math.pi * done))
    return peak * (final + (1 - final) * cosine)


@pytest.mark.parametrize("warmup", [0, 1, 30, 99])
@pytest.mark.parametrize("final", [0.0, 0.02, 1.0])
def test_equals_the_formula_at_every_step(warmup, final):
    schedule = WarmupCosine(3e-4, 100, warmup, final)
    steps = range(120)
    expected = [reference(step, 3e-4, 100, warmup, final) for step in steps]
    found = [float(schedule(step)) for step in steps]
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-10)


def test_rises_to_the_peak_then_only_falls():
    schedule = WarmupCosine(1.0, 50, 10)
    rates = np.array([float(schedule(step)) for step in range(60)])
    assert (np.diff(rates[:11]) > 0).all()
    assert rates[10] == rates.max() == 1.0
    assert (np.diff(rates[10:50]) < 0).all()
    assert np.allclose(rates[50:], 0.02)


def test_an_optimizer_follows_it_and_its_config_brings_it_back():
    schedule = WarmupCosine(1e-3, 20, 4, final_fraction=0.1)
    optimizer = keras.optimizers.SGD(schedule)
    again = keras.optimizers.SGD.from_config(optimizer.get_config())
    weight = keras.Variable(np.zeros(1, "float32"))
    last = 0.0
    for step in range(6):
        again.apply([keras.ops.ones(1)], [weight])
        moved = last - float(keras.ops.convert_to_numpy(weight.value)[0])
        expected = reference(step, 1e-3, 20, 4, 0.1)
        assert moved == pytest.approx(expected, rel=1e-3)
        last -= moved


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0.0, 10, 1), "peak=0.0"),
        ((math.nan, 10, 1), "peak=nan"),
        ((1e-3, 10, 10), "warmup_steps=10, total_steps=10"),
        ((1e-3, 10, -1), "warmup_steps=-1"),
        ((1e-3, 10, 1, 1.5), "final_fraction=1.5; expected 0 to 1"),
    ],
)
def test_steps_that_do_not_fit_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        WarmupCosine(*arguments)


@pytest.mark.parametrize("warmup", [1, 10, 4000])
def test_the_inverse_root_is_noams(warmup):
    dim = 64
    schedule = WarmupInverseSqrt((dim * warmup) ** -0.5, warmup)
    for step in (0, 1, 9, 10, 500, 20000):
        noam = dim**-0.5 * min((step + 1) ** -0.5, (step + 1) * warmup**-1.5)
        np.testing.assert_allclose(float(schedule(step)), noam, rtol=1e-5)


def test_the_inverse_root_comes_back_from_its_config():
    schedule = WarmupInverseSqrt(2e-3, 100)
    twin = WarmupInverseSqrt.from_config(schedule.get_config())
    assert float(twin(250)) == float(schedule(250)) < 2e-3


@pytest.mark.parametrize("peak,warmup", [(0.0, 10), (1e-3, 0)])
def test_the_inverse_root_needs_a_peak_and_a_warm_up(peak, warmup):
    with pytest.raises(ValueError, match="expected peak > 0 and warmup"):
        WarmupInverseSqrt(peak, warmup)
