"""Each augmentation does what it says, and nothing by chance."""

import numpy as np
import pytest

from keras_selfattn.data.augmentation import (
    Augmenter,
    change_gain,
    change_speed,
    limit_band,
    make_babble,
    mix_noise,
    reverberate,
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


def test_a_room_neither_delays_nor_lengthens_nor_changes_the_level():
    samples = noise_of(4000)
    response = np.zeros(900, "float32")
    response[[40, 140, 840]] = 0.5, -0.25, 0.125  # 40 samples of lead
    heard = reverberate(samples, response)
    padded = np.pad(samples, (800, 0))
    wanted = samples - 0.5 * padded[700:4700] + 0.25 * padded[:4000]
    wanted *= np.sqrt(np.mean(samples**2) / np.mean(wanted**2))
    assert heard.dtype == np.float32
    np.testing.assert_allclose(heard, wanted, atol=2e-5)
    silence = np.zeros(50, "float32")
    np.testing.assert_array_equal(reverberate(silence, response), silence)
    for mute in (response[:0], response[:40]):
        with pytest.raises(ValueError, match="impulse response"):
            reverberate(samples, mute)


def test_babble_is_of_all_speakers_at_one_level():
    speakers = [tone(f) * gain for f, gain in ((500, 1), (900, 0.01))]
    babble = make_babble(speakers, 6, RATE_HZ, np.random.default_rng(2))
    spectrum = np.abs(np.fft.rfft(babble))
    assert set(np.argsort(spectrum)[-2:]) == {500, 900}
    assert 0.05 < spectrum[900] / spectrum[500] < 20
    again = make_babble(speakers, 6, RATE_HZ, np.random.default_rng(2))
    np.testing.assert_array_equal(babble, again)
    with pytest.raises(ValueError, match="at least one"):
        make_babble([], 2, 10, np.random.default_rng(0))


def test_a_band_loses_half_the_power_at_its_edges():
    def change_db(frequency_hz):
        samples = tone(frequency_hz)
        heard = limit_band(samples, 300, 3400)
        assert heard.dtype == np.float32
        return power_db(heard) - power_db(samples)

    assert change_db(1000) == pytest.approx(0, abs=0.01)
    assert change_db(300) == pytest.approx(-3.01, abs=0.1)
    assert change_db(3400) == pytest.approx(-3.01, abs=0.1)
    assert change_db(100) < -30 and change_db(6800) < -40
    with pytest.raises(ValueError, match="low < high"):
        limit_band(tone(440), 3000, 300)


def test_rooms_babble_and_band_are_drawn_in_their_shares():
    samples = tone(440)
    response = np.float32([1, 0, 0.9])
    others = [noise_of(900), noise_of(800, 1)]
    for settings in (
        {"rooms": [response], "room_probability": 0.25},
        {"babble": others, "babble_probability": 0.25},
        {"band_probability": 0.25, "band_hz": ((600, 700), (2000, 3000))},
    ):
        augmenter = Augmenter(gain_db=(0, 0), **settings)
        generator = np.random.default_rng(0)
        changed = [
            not np.array_equal(augmenter(samples, generator), samples)
            for _ in range(200)
        ]
        assert 30 <= sum(changed) <= 70
    all_of_it = Augmenter(
        rooms=[response],
        babble=others,
        noises=others,
        band_probability=0.5,
        snr_db=(0, 30),
    )
    for seed in range(8):
        first, again = (
            all_of_it(samples, np.random.default_rng(seed)) for _ in range(2)
        )
        np.testing.assert_array_equal(first, again)
        assert len(first) == len(samples) and first.dtype == np.float32


def test_what_is_not_used_changes_no_draw():
    samples = tone(440)
    before = Augmenter(noises=[noise_of(500)], noise_probability=0.5)
    after = Augmenter(
        noises=[noise_of(500)],
        noise_probability=0.5,
        rooms=[np.ones(3, "float32")],
        room_probability=0.0,
        babble=[noise_of(700)],
        babble_probability=0.0,
    )
    for seed in range(8):
        np.testing.assert_array_equal(
            before(samples, np.random.default_rng(seed)),
            after(samples, np.random.default_rng(seed)),
        )


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
        ({"room_probability": -0.1}, "room_probability"),
        ({"babble_probability": 2}, "babble_probability"),
        ({"band_probability": 2}, "band_probability"),
        ({"babble_speakers": (0, 3)}, "babble_speakers"),
        ({"band_hz": ((500, 50), (3000, 4000))}, "band_hz"),
    ],
)
def test_bad_settings_are_refused(arguments, reason):
    with pytest.raises(ValueError, match=reason):
        Augmenter(**arguments)
