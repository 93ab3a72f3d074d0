"""Augmentation of samples: speed, noise, gain. Numpy only.

All randomness comes from the `numpy.random.Generator` that is passed in:
the same generator state gives the same samples. (SpecAugment works on
features, so it is a layer.)
"""

import numpy as np
import soxr


def change_speed(samples, factor):
    """Plays samples `factor` times as fast; tempo and pitch both change.

    Reference: Ko et al. 2015, Audio augmentation for speech recognition.

    Args:
        samples: float32 array `(L,)`.
        factor: float, 0.5 to 2.0; 1.1 is shorter and higher.

    Returns:
        float32 array of `speed_length(L, factor)` samples.
    """
    if not 0.5 <= factor <= 2.0:
        raise ValueError(
            f"factor={factor}; expected a speed between 0.5 and 2.0."
        )
    if factor == 1.0:
        return samples
    length = speed_length(len(samples), factor)
    changed = soxr.resample(samples, factor, 1.0)[:length]
    return np.pad(changed, (0, length - len(changed)))


def speed_length(num_samples, factor):
    """Number of samples that `change_speed` makes of `num_samples`."""
    return max(1, round(num_samples / factor))


def change_gain(samples, gain_db):
    """Samples made louder by `gain_db` decibels (softer if negative)."""
    return samples * np.float32(10.0 ** (gain_db / 20.0))


def mix_noise(samples, noise, snr_db, generator):
    """Adds noise so that the power ratio to it is `snr_db` decibels.

    A random piece of the noise is taken; noise that is too short is
    repeated from a random start. Silent samples or noise: no change.

    Args:
        samples: float32 array `(L,)`.
        noise: float32 array `(M,)`, `M` at least 1.
        snr_db: float. Signal-to-noise ratio in decibels.
        generator: `numpy.random.Generator`.

    Returns:
        float32 array `(L,)`.
    """
    if len(noise) == 0:
        raise ValueError("noise is empty; expected at least one sample.")
    noise = _piece_of(noise, len(samples), generator)
    signal_power = np.mean(np.square(samples, dtype="float64"))
    noise_power = np.mean(np.square(noise, dtype="float64"))
    if signal_power == 0.0 or noise_power == 0.0:
        return samples
    wanted_power = signal_power / 10.0 ** (snr_db / 10.0)
    return samples + noise * np.float32(np.sqrt(wanted_power / noise_power))


def _piece_of(noise, length, generator):
    if len(noise) > length:
        start = int(generator.integers(len(noise) - length + 1))
        return noise[start : start + length]
    start = int(generator.integers(len(noise)))
    return np.resize(np.roll(noise, -start), length)


class Augmenter:
    """Random speed, noise and gain, as chosen by a generator.

    Speed is drawn apart from the rest (`draw_speed`), because the length of
    an utterance, so its batch, depends on it.

    Args:
        speeds: sequence of float. One is drawn per utterance. Defaults to
            (0.9, 1.0, 1.1).
        noises: sequence of float32 arrays at the dataset's sampling rate.
        noise_probability: float, 0 to 1. Share of utterances that get
            noise. Defaults to 0.5 (0 where `noises` is empty).
        snr_db: (low, high). Signal-to-noise ratio in decibels, uniform.
        gain_db: (low, high). Gain in decibels, uniform.
    """

    def __init__(
        self,
        speeds=(0.9, 1.0, 1.1),
        noises=(),
        noise_probability=0.5,
        snr_db=(5.0, 25.0),
        gain_db=(-6.0, 6.0),
    ):
        if not speeds or not all(0.5 <= speed <= 2.0 for speed in speeds):
            raise ValueError(
                f"speeds={speeds}; expected one or more of 0.5 to 2.0."
            )
        if not 0.0 <= noise_probability <= 1.0:
            raise ValueError(
                f"noise_probability={noise_probability}; expected 0 to 1."
            )
        for name, (low, high) in (("snr_db", snr_db), ("gain_db", gain_db)):
            if low > high:
                raise ValueError(f"{name}={(low, high)}; expected (low, high).")
        self.speeds = tuple(float(speed) for speed in speeds)
        self.noises = list(noises)
        self.noise_probability = noise_probability
        self.snr_db = snr_db
        self.gain_db = gain_db

    def draw_speeds(self, num_utterances, generator):
        """float64 array `(num_utterances,)` of speed factors."""
        return generator.choice(self.speeds, size=num_utterances)

    def __call__(self, samples, generator):
        """Noise and gain (not speed) on samples `(L,)`, kept in [-1, 1]."""
        if self.noises and generator.random() < self.noise_probability:
            noise = self.noises[int(generator.integers(len(self.noises)))]
            snr_db = generator.uniform(*self.snr_db)
            samples = mix_noise(samples, noise, snr_db, generator)
        samples = change_gain(samples, generator.uniform(*self.gain_db))
        peak = np.max(np.abs(samples))
        return samples / peak if peak > 1.0 else samples
