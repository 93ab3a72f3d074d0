"""Speed, noise and gain do what they say, and nothing by chance."""

import numpy as np
import pytest

from keras_selfattn.data.augmentation import (
    Augmenter,
    change_gain,
    change_speed,
    mix_noise,
    speed_length,
)

RATE_HZ = 16000


def tone(frequency_hz, seconds=1.0):
    time = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return (0.3 * np.sin(2 * np.pi * frequency_hz * time)).astype("float32")


def noise_of(length, seed=0):
    generator = np.random.default_rng(seed)
    return generator.normal(size=length).astype("float32")


def power_db(samples):
    return 10 * np.log10(np.mean(np.square(samples, dtype="float64")))


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.1, 1.25])
def test_speed_changes_length_and_pitch(factor):
    changed = change_speed(tone(1000), factor)
    assert changed.dtype == np.float32
    assert len(changed) == speed_length(RATE_HZ, factor)
    assert abs(len(changed) - RATE_HZ / factor) <= 0.5
    spectrum = np.abs(np.fft.rfft(changed, RATE_HZ))
    assert np.argmax(spectrum) == pytest.approx(1000 * factor, abs=1)


def test_speed_one_is_the_same():
    samples = tone(440)
    np.testing.assert_array_equal(change_speed(samples, 1.0), samples)


@pytest.mark.parametrize("factor", [0.0, 0.4, 2.1, float("nan")])
def test_absurd_speeds_are_refused(factor):
    with pytest.raises(ValueError, match="between 0.5 and 2.0"):
        change_speed(tone(440), factor)


def test_even_a_single_sample_keeps_a_length():
    assert len(change_speed(np.ones(1, "float32"), 1.9)) == 1


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 20.0])
@pytest.mark.parametrize("noise_length", [100, RATE_HZ, 5 * RATE_HZ])
def test_noise_has_the_asked_power(snr_db, noise_length):
    samples = tone(440)
    generator = np.random.default_rng(0)
    mixed = mix_noise(samples, noise_of(noise_length), snr_db, generator)
    assert mixed.dtype == np.float32
    added = mixed - samples
    assert power_db(samples) - power_db(added) == pytest.approx(
        snr_db, abs=0.01
    )


def test_short_noise_is_repeated_and_long_noise_cut_at_random():
    samples = tone(440)
    added = mix_noise(samples, noise_of(100), 0, np.random.default_rng(0))
    added -= samples
    np.testing.assert_allclose(added[:100], added[100:200], atol=1e-6)
    long = noise_of(3 * RATE_HZ)
    first = mix_noise(samples, long, 0, np.random.default_rng(1))
    second = mix_noise(samples, long, 0, np.random.default_rng(2))
    again = mix_noise(samples, long, 0, np.random.default_rng(1))
    assert np.abs(first - second).max() > 0.1
    np.testing.assert_array_equal(first, again)


def test_silence_stays_silence():
    silence = np.zeros(100, "float32")
    generator = np.random.default_rng(0)
    mixed = mix_noise(silence, noise_of(50), 10, generator)
    np.testing.assert_array_equal(mixed, silence)
    samples = tone(440)
    mixed = mix_noise(samples, silence, 10, generator)
    np.testing.assert_array_equal(mixed, samples)
    with pytest.raises(ValueError, match="noise is empty"):
        mix_noise(samples, silence[:0], 10, generator)


def test_gain_is_in_decibels():
    samples = tone(440)
    louder = change_gain(samples, 6.0)
    assert louder.dtype == np.float32
    assert power_db(louder) - power_db(samples) == pytest.approx(6.0)


def test_an_augmenter_draws_all_speeds_and_repeats_itself():
    augmenter = Augmenter(speeds=(0.9, 1.0, 1.1))
    speeds = augmenter.draw_speeds(300, np.random.default_rng(0))
    assert set(speeds) == {0.9, 1.0, 1.1}
    again = augmenter.draw_speeds(300, np.random.default_rng(0))
    np.testing.assert_array_equal(speeds, again)


def test_an_augmenter_adds_noise_in_its_share():
    samples = tone(440)
    augmenter = Augmenter(
        noises=[noise_of(RATE_HZ)],
        noise_probability=0.25,
        snr_db=(10, 10),
        gain_db=(0, 0),
    )
    generator = np.random.default_rng(0)
    noisy = [
        not np.array_equal(augmenter(samples, generator), samples)
        for _ in range(400)
    ]
    assert 70 <= sum(noisy) <= 130


def test_an_augmenter_never_leaves_the_range():
    augmenter = Augmenter(
        noises=[noise_of(500)], noise_probability=1.0, gain_db=(20, 20)
    )
    samples = augmenter(tone(440), np.random.default_rng(0))
    assert samples.dtype == np.float32
    assert np.max(np.abs(samples)) == 1.0


@pytest.mark.parametrize(
    "arguments, reason",
    [
        ({"speeds": ()}, "speeds"),
        ({"speeds": (1.0, 3.0)}, "speeds"),
        ({"noise_probability": 1.5}, "noise_probability"),
        ({"snr_db": (20, 5)}, "snr_db"),
        ({"gain_db": (3, -3)}, "gain_db"),
    ],
)
def test_bad_settings_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        Augmenter(**arguments)
