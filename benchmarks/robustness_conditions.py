"""What a recogniser is made to hear through: noise, rooms, speeds, codecs.

Each condition is a function of samples and a generator. The noises are mixed
so that the mean power of the whole utterance, its pauses included, is so many
decibels above that of the noise.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import soundfile
import soxr

from keras_selfattn.data.augmentation import (
    change_gain,
    change_speed,
    limit_band,
    make_babble,
    mix_noise,
    reverberate,
)
from keras_selfattn.data.rooms import simulate_rooms

RATE_HZ = 16000
NOISES = ("white", "pink", "kitchen", "babble")
LEVELS_DB = (20, 10, 5, 0)
BABBLE_SPEAKERS = 6
ROOMS_OF_A_KIND = 3
ROOMS_SEED = 7
_NOISE_SECONDS = 60


@dataclass(frozen=True)
class Condition:
    """One way to change speech.

    Args:
        name: str, what the kept results know it by.
        group: str; "clean", "noise", "room", "speed", "codec" or "gain".
        title: str, for tables.
        change: function of float32 samples `(L,)` and a generator that gives
            float32 samples.
    """

    name: str
    group: str
    title: str
    change: Callable


def white_noise(length, generator):
    """Noise of the same power at all frequencies, float32 `(length,)`."""
    return generator.normal(size=length).astype("float32")


def pink_noise(length, generator):
    """Noise whose power falls by 3 decibels an octave, float32."""
    spectrum = np.fft.rfft(generator.normal(size=length))
    bins = np.arange(len(spectrum))
    pink = spectrum / np.sqrt(np.maximum(bins, 1))
    pink[0] = 0.0
    return np.fft.irfft(pink, length).astype("float32")


def telephone(samples):
    """300 to 3,400 Hz at 8 kHz and 8 bits, mu-law (G.711), and back."""
    narrow = soxr.resample(limit_band(samples, 300, 3400), RATE_HZ, 8000)
    mu = 255.0
    narrow = np.clip(narrow, -1.0, 1.0)
    law = np.sign(narrow) * np.log1p(mu * np.abs(narrow)) / np.log1p(mu)
    law = np.round(law * 127.0) / 127.0
    heard = np.sign(law) * np.expm1(np.abs(law) * np.log1p(mu)) / mu
    heard = soxr.resample(heard, 8000, RATE_HZ).astype("float32")
    return np.pad(heard, (0, max(0, len(samples) - len(heard))))


def through_codec(samples, container, subtype, compression_level):
    """Samples written as a compressed file and read again.

    Args:
        samples: float32 `(L,)` at 16 kHz.
        container: "OGG" or "MP3".
        subtype: "OPUS" or "MPEG_LAYER_III".
        compression_level: float; 0 best, 1 the fewest bits.

    Returns:
        float32 samples, and kilobits a second.
    """
    file = io.BytesIO()
    soundfile.write(
        file,
        samples,
        RATE_HZ,
        format=container,
        subtype=subtype,
        compression_level=compression_level,
    )
    kilobits = file.tell() * 8e-3 / (len(samples) / RATE_HZ)
    file.seek(0)
    heard, rate_hz = soundfile.read(file, dtype="float32")
    if rate_hz != RATE_HZ:
        heard = soxr.resample(heard, rate_hz, RATE_HZ)
    return heard, kilobits


def far(samples, gain_db):
    """Softer, and then in 16 bits, as a recorder writes it."""
    return np.round(change_gain(samples, gain_db) * 32768) / np.float32(32768)


def _in_range(samples):
    peak = float(np.max(np.abs(samples), initial=0.0))
    samples = samples / peak if peak > 1.0 else samples
    return samples.astype("float32")


def all_conditions(kitchen, speakers):
    """The conditions, clean first.

    Args:
        kitchen: float32 samples, a recorded noise.
        speakers: list of float32 arrays of other speakers, for babble.

    Returns:
        list of `Condition`.
    """

    def noise(kind, length, generator):
        if kind == "white":
            return white_noise(length, generator)
        if kind == "pink":
            return pink_noise(length, generator)
        if kind == "kitchen":
            return kitchen
        return make_babble(speakers, BABBLE_SPEAKERS, length, generator)

    def noisy(kind, level_db):
        def change(samples, generator):
            heard = noise(kind, len(samples), generator)
            return _in_range(mix_noise(samples, heard, level_db, generator))

        title = f"{kind}, {level_db} dB"
        return Condition(f"{kind}-{level_db}", "noise", title, change)

    def in_room(t60_s):
        rooms = []  # simulated when first asked for

        def change(samples, generator):
            if not rooms:
                rooms.extend(
                    simulate_rooms(
                        ROOMS_OF_A_KIND,
                        RATE_HZ,
                        ROOMS_SEED,
                        (t60_s, t60_s),
                    )
                )
            room = rooms[int(generator.integers(len(rooms)))]
            return _in_range(reverberate(samples, room))

        return Condition(f"t60-{t60_s}", "room", f"T60 {t60_s} s", change)

    def fixed(name, group, title, function):
        return Condition(
            name, group, title, lambda samples, _: _in_range(function(samples))
        )

    found = [fixed("clean", "clean", "clean", lambda samples: samples)]
    found += [noisy(kind, level) for kind in NOISES for level in LEVELS_DB]
    found += [in_room(t60_s) for t60_s in (0.3, 0.6, 0.9)]
    for speed in (0.8, 0.9, 1.1, 1.25):

        def faster(samples, speed=speed):
            return change_speed(samples, speed)

        found.append(fixed(f"speed-{speed}", "speed", f"speed {speed}", faster))
    found.append(
        fixed("telephone", "codec", "telephone, 8 kHz mu-law", telephone)
    )
    for name, title, *options in (
        ("opus", "Opus, its lowest rate", "OGG", "OPUS", 1.0),
        ("mp3", "MP3, its lowest rate", "MP3", "MPEG_LAYER_III", 0.99),
    ):

        def coded(samples, options=options):
            return through_codec(samples, *options)[0]

        found.append(fixed(name, "codec", title, coded))
    for gain_db in (-20, -40):

        def softer(samples, gain_db=gain_db):
            return far(samples, gain_db)

        found.append(fixed(f"gain{gain_db}", "gain", f"{gain_db} dB", softer))
    return found


def change_all(condition, recordings, seed):
    """Recordings as a condition lets them be heard, the same for a seed.

    Args:
        condition: `Condition`.
        recordings: list of float32 arrays.
        seed: int.

    Returns:
        list of float32 arrays.
    """
    name = list(condition.name.encode("utf8"))
    return [
        condition.change(samples, np.random.default_rng([seed, number, *name]))
        for number, samples in enumerate(recordings)
    ]
