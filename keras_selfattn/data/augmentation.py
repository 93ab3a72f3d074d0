"""Augmentation of samples: speed, rooms, noise, babble, band, gain.

Numpy and soxr only; `data/rooms.py` simulates the rooms.

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


def make_babble(recordings, num_speakers, length, generator):
    """Several people speaking at once, each as loud as the others.

    Args:
        recordings: sequence of float32 arrays, one speaker each.
        num_speakers: int, at least 1. Drawn with replacement.
        length: int. Samples of the result.
        generator: `numpy.random.Generator`.

    Returns:
        float32 array `(length,)`; mean power about `num_speakers`.
    """
    if not len(recordings):
        raise ValueError("recordings is empty; babble needs at least one.")
    babble = np.zeros(length, "float32")
    for index in generator.integers(len(recordings), size=num_speakers):
        piece = _piece_of(recordings[index], length, generator)
        power = np.mean(np.square(piece, dtype="float64"))
        if power > 0.0:
            babble += piece / np.float32(np.sqrt(power))
    return babble


def reverberate(samples, response):
    """Samples as heard in a room: convolved, not delayed, as loud, as long.

    The response's largest value is taken for the direct path, and what came
    before it is the lead of the filter that wrote it: a sound stays where it
    is in time, so a transcript's times still hold.

    Args:
        samples: float32 array `(L,)`.
        response: float32 array `(M,)`, the room's impulse response.

    Returns:
        float32 array `(L,)` of the mean power of `samples`.
    """
    direct = int(np.argmax(np.abs(response))) if len(response) else 0
    if not len(response) or response[direct] == 0.0:
        raise ValueError(
            f"response has {len(response)} samples and no sound in them; "
            "expected a room's impulse response."
        )
    size = _fft_size(len(samples) + len(response))
    spectrum = np.fft.rfft(samples, size) * np.fft.rfft(response, size)
    heard = np.fft.irfft(spectrum, size)[direct : direct + len(samples)]
    power = np.mean(np.square(heard))
    if power == 0.0:
        return samples
    wanted_power = np.mean(np.square(samples, dtype="float64"))
    return (heard * np.sqrt(wanted_power / power)).astype("float32")


def limit_band(samples, low_hz, high_hz, sampling_rate_hz=16000):
    """Takes away what a telephone does: below `low_hz`, above `high_hz`.

    Zero phase, half the power at both edges, 48 decibels an octave beyond.

    Args:
        samples: float32 array `(L,)`.
        low_hz: float, above 0.
        high_hz: float, above `low_hz`.
        sampling_rate_hz: int. Defaults to 16000.

    Returns:
        float32 array `(L,)`.
    """
    if not 0.0 < low_hz < high_hz:
        raise ValueError(
            f"low_hz={low_hz}, high_hz={high_hz}; expected 0 < low < high."
        )
    size = _fft_size(len(samples) + sampling_rate_hz // 10)
    frequency_hz = np.fft.rfftfreq(size, 1.0 / sampling_rate_hz)
    frequency_hz[0] = frequency_hz[1] * 1e-3  # for the division
    gain = 1.0 / np.sqrt(
        (1.0 + (low_hz / frequency_hz) ** 16)
        * (1.0 + (frequency_hz / high_hz) ** 16)
    )
    heard = np.fft.irfft(np.fft.rfft(samples, size) * gain, size)
    return heard[: len(samples)].astype("float32")


def _fft_size(length):
    return 1 << (length - 1).bit_length()


class Augmenter:
    """Random speed, room, noise, babble, band and gain, in this order.

    All are drawn from a generator. Speed is drawn apart from the rest
    (`draw_speeds`), because the length of an utterance, so its batch, depends
    on it. What has the probability 0 draws nothing, so settings that do not
    use it give the samples that they gave before it was there.

    Args:
        speeds: sequence of float. One is drawn per utterance. Defaults to
            (0.9, 1.0, 1.1).
        noises: sequence of float32 arrays at the dataset's sampling rate.
        noise_probability: float, 0 to 1. Share of utterances that get
            noise. Defaults to 0.5 (0 where `noises` is empty).
        snr_db: (low, high). Signal-to-noise ratio in decibels, uniform; of
            noise and of babble.
        gain_db: (low, high). Gain in decibels, uniform.
        rooms: sequence of float32 impulse responses; see `reverberate`.
        room_probability: float, 0 to 1. Defaults to 0.5 (0 where `rooms` is
            empty).
        babble: sequence of float32 arrays, recordings of speakers.
        babble_probability: float, 0 to 1. Share of utterances that others
            talk over. Defaults to 0.5 (0 where `babble` is empty).
        babble_speakers: (low, high). Speakers at once, both included.
            Defaults to (3, 8).
        band_probability: float, 0 to 1. Share of utterances that lose what
            lies outside a random band. Defaults to 0.
        band_hz: ((low, high), (low, high)). Ranges of the band's two edges
            in hertz, uniform. Defaults to ((50, 400), (2800, 6000)).
        sampling_rate_hz: int. For the band. Defaults to 16000.
    """

    def __init__(
        self,
        speeds=(0.9, 1.0, 1.1),
        noises=(),
        noise_probability=0.5,
        snr_db=(5.0, 25.0),
        gain_db=(-6.0, 6.0),
        rooms=(),
        room_probability=0.5,
        babble=(),
        babble_probability=0.5,
        babble_speakers=(3, 8),
        band_probability=0.0,
        band_hz=((50.0, 400.0), (2800.0, 6000.0)),
        sampling_rate_hz=16000,
    ):
        if not speeds or not all(0.5 <= speed <= 2.0 for speed in speeds):
            raise ValueError(
                f"speeds={speeds}; expected one or more of 0.5 to 2.0."
            )
        for name, share in (
            ("noise_probability", noise_probability),
            ("room_probability", room_probability),
            ("babble_probability", babble_probability),
            ("band_probability", band_probability),
        ):
            if not 0.0 <= share <= 1.0:
                raise ValueError(f"{name}={share}; expected 0 to 1.")
        for name, (low, high) in (
            ("snr_db", snr_db),
            ("gain_db", gain_db),
            ("babble_speakers", babble_speakers),
            ("band_hz", band_hz[0]),
            ("band_hz", band_hz[1]),
        ):
            if low > high:
                raise ValueError(f"{name}={(low, high)}; expected (low, high).")
        if babble_speakers[0] < 1:
            raise ValueError(
                f"babble_speakers={babble_speakers}; expected at least 1."
            )
        self.speeds = tuple(float(speed) for speed in speeds)
        self.noises = list(noises)
        self.noise_probability = noise_probability
        self.snr_db = snr_db
        self.gain_db = gain_db
        self.rooms = list(rooms)
        self.room_probability = room_probability
        self.babble = list(babble)
        self.babble_probability = babble_probability
        self.babble_speakers = babble_speakers
        self.band_probability = band_probability
        self.band_hz = band_hz
        self.sampling_rate_hz = sampling_rate_hz

    def draw_speeds(self, num_utterances, generator):
        """float64 array `(num_utterances,)` of speed factors."""
        return generator.choice(self.speeds, size=num_utterances)

    def __call__(self, samples, generator):
        """All but speed on samples `(L,)`, kept in [-1, 1]."""

        def drawn(share, among=True):
            return among and share and generator.random() < share

        if drawn(self.room_probability, self.rooms):
            room = self.rooms[int(generator.integers(len(self.rooms)))]
            samples = reverberate(samples, room)
        if drawn(self.noise_probability, self.noises):
            noise = self.noises[int(generator.integers(len(self.noises)))]
            snr_db = generator.uniform(*self.snr_db)
            samples = mix_noise(samples, noise, snr_db, generator)
        if drawn(self.babble_probability, self.babble):
            low, high = self.babble_speakers
            babble = make_babble(
                self.babble,
                int(generator.integers(low, high + 1)),
                len(samples),
                generator,
            )
            snr_db = generator.uniform(*self.snr_db)
            samples = mix_noise(samples, babble, snr_db, generator)
        if drawn(self.band_probability):
            low_hz, high_hz = (generator.uniform(*r) for r in self.band_hz)
            samples = limit_band(
                samples, low_hz, high_hz, self.sampling_rate_hz
            )
        samples = change_gain(samples, generator.uniform(*self.gain_db))
        peak = np.max(np.abs(samples))
        return samples / peak if peak > 1.0 else samples
