"""The classic features of speech: MFCC, zero-crossing rate, spectral entropy.

Each is called like `LogMelSpectrogram`: samples in, features and their
padding mask out, by reshapes and matrix products only.

Shapes: `B` batch, `L` samples, `T` frames, `W` window, `F` frequency bins,
`M` mel bins, `C` cepstral coefficients.
"""

import keras
import numpy as np
from keras import ops

from keras_selfattn.layers.spectral import (
    Framing,
    LogMelSpectrogram,
    dft_basis,
    window_values,
)


def dct_matrix(num_inputs, num_outputs):
    """Orthonormal DCT-II, float64 `(M, C)`: `features @ matrix`."""
    n = np.arange(num_inputs)[:, None]
    k = np.arange(num_outputs)
    scale = np.sqrt(np.where(k == 0, 1, 2) / num_inputs)
    return scale * np.cos(np.pi * k * (2 * n + 1) / (2 * num_inputs))


def lifter_values(num_coefficients, lifter):
    """Weights `1 + lifter/2 sin(pi k / lifter)`, float64 `(C,)`; 0: ones."""
    k = np.arange(num_coefficients)
    return 1 + lifter / 2 * np.sin(np.pi * k / max(lifter, 1))


def deltas(features, padding_mask, reach=2):
    """Slope over the frames `t - reach .. t + reach`, zero in padding.

    `d[t] = sum_n n (c[t+n] - c[t-n]) / (2 sum_n n^2)` for n = 1..reach; the
    first and the last valid frame are repeated beyond the ends. `features`
    are float (B, T, C), `padding_mask` is bool (B, T), True first.
    """
    keep = ops.expand_dims(padding_mask, -1)  # (B, T, 1)
    real = ops.cast(keep, features.dtype)
    following = ops.pad(real[:, 1:], ((0, 0), (0, 1), (0, 0)))
    is_last = real * (1 - following)
    last = ops.sum(features * is_last, axis=1, keepdims=True)  # (B, 1, C)
    filled = ops.where(keep, features, last)
    filled = ops.concatenate(
        [filled[:, :1]] * reach + [filled] + [last] * reach, axis=1
    )
    slope = 0.0
    for n in range(1, reach + 1):
        ahead = filled[:, reach + n :][:, : ops.shape(features)[1]]
        behind = filled[:, reach - n :][:, : ops.shape(features)[1]]
        slope = slope + n * (ahead - behind)
    norm = 2 * sum(n * n for n in range(1, reach + 1))
    return ops.where(keep, slope / norm, ops.zeros_like(slope))


@keras.saving.register_keras_serializable(package="keras_selfattn")
class MFCC(keras.layers.Layer):
    """Mel-frequency cepstral coefficients: `lifter * DCT(log mel)`.

    For small classifiers; a network with attention learns more from
    `LogMelSpectrogram`. `delta_order` appends the slopes (1) and the slopes
    of the slopes (2), for which the last valid frame is repeated.

    Reference: Davis and Mermelstein 1980 (IEEE TASSP 28-4); lifter and
    deltas as in the HTK book, sections 5.6 and 5.9. As in
    python_speech_features, but centred frames and Slaney's mel filters.

    Args:
        num_coefficients: int in [1, mel bins], the 0th among them.
        lifter: int >= 0, sine lifter; 0 for none.
        delta_order: 0, 1 or 2, how often to append slopes.
        delta_reach: int >= 1, frames to either side of a slope.
        front_end: LogMelSpectrogram; default 26 bins, natural logarithms.

    Call arguments:
        samples: float32 `(B, L)` in [-1, 1].
        num_samples: int32 `(B,)`, valid samples a row; default: all.

    Returns:
        features, float32 `(B, T, C * (1 + delta_order))`, zero in padding,
        and padding_mask, bool `(B, T)`.

    Raises:
        ValueError: for numbers out of the ranges above.

    Example:
        >>> MFCC(delta_order=2)(np.zeros((1, 16000), "float32"))[0].shape
        (1, 100, 39)
    """

    def __init__(
        self,
        num_coefficients=13,
        lifter=22,
        delta_order=0,
        delta_reach=2,
        front_end=None,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        if front_end is None:
            front_end = LogMelSpectrogram(
                num_mel_bins=26,
                energy_floor=1e-10,
                log_scale=float(np.log(10.0)),
                log_shift=0.0,
                name="front_end",
            )
        num_mel_bins = front_end.num_mel_bins
        if not 1 <= num_coefficients <= num_mel_bins:
            raise ValueError(
                f"num_coefficients={num_coefficients} is outside [1, "
                f"{num_mel_bins}], the front end's num_mel_bins."
            )
        if lifter < 0 or delta_order not in (0, 1, 2) or delta_reach < 1:
            raise ValueError(
                "Expected lifter >= 0, delta_order 0, 1 or 2 and delta_reach "
                f">= 1; received {lifter}, {delta_order} and {delta_reach}."
            )
        self.num_coefficients = num_coefficients
        self.lifter = lifter
        self.delta_order = delta_order
        self.delta_reach = delta_reach
        self.front_end = front_end
        self.front_end.build(None)
        matrix = dct_matrix(num_mel_bins, num_coefficients)  # (M, C)
        lifted = matrix * lifter_values(num_coefficients, lifter)
        self._matrix = lifted.astype("float32")

    @property
    def feature_dim(self):
        """Features a frame."""
        return self.num_coefficients * (1 + self.delta_order)

    @property
    def sampling_rate_hz(self):
        return self.front_end.sampling_rate_hz

    @property
    def hop_length_samples(self):
        return self.front_end.hop_length_samples

    def call(self, samples, num_samples=None):
        log_mel, mask = self.front_end(samples, num_samples)
        parts = [ops.matmul(log_mel, self._matrix)]  # (B, T, C)
        for _ in range(self.delta_order):
            parts.append(deltas(parts[-1], mask, self.delta_reach))
        return ops.concatenate(parts, axis=-1), mask

    def compute_output_spec(self, samples, num_samples=None):
        frames, mask = self.front_end.compute_output_spec(samples, num_samples)
        shape = (*frames.shape[:2], self.feature_dim)
        return keras.KerasTensor(shape, "float32"), mask

    def get_config(self):
        names = "num_coefficients lifter delta_order delta_reach".split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "front_end": keras.saving.serialize_keras_object(self.front_end),
        }

    @classmethod
    def from_config(cls, config):
        front_end = keras.saving.deserialize_keras_object(config["front_end"])
        return cls(**{**config, "front_end": front_end})


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ZeroCrossingRate(keras.layers.Layer):
    """How often the signal changes sign: crossings in a frame over `W`.

    High in fricatives and noise, low in vowels. Zero counts as positive, so
    silence gives 0. No gradient flows to the samples: it is a count.

    Reference: Rabiner and Sambur 1975 (Bell System Technical Journal 54-2).

    Args:
        window_length_samples: int, samples a frame.
        hop_length_samples: int, samples from frame to frame.

    Call arguments:
        samples: float32 `(B, L)`.
        num_samples: int32 `(B,)`, valid samples a row; default: all.

    Returns:
        features, float32 `(B, T, 1)` in [0, 1], zero in padding, and
        padding_mask, bool `(B, T)`.

    Raises:
        ValueError: where a length is not a positive int.

    Example:
        >>> ZeroCrossingRate()(np.zeros((1, 16000), "float32"))[0].shape
        (1, 100, 1)
    """

    def __init__(
        self, window_length_samples=400, hop_length_samples=160, **kwargs
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.framing = Framing(
            window_length_samples, hop_length_samples, name="framing"
        )
        self.framing.build(None)

    feature_dim = 1

    @property
    def hop_length_samples(self):
        return self.framing.hop_length_samples

    def call(self, samples, num_samples=None):
        frames, mask = self.framing(samples, num_samples)  # (B, T, W)
        negative = ops.cast(frames < 0, "float32")
        crossings = ops.abs(negative[..., 1:] - negative[..., :-1])
        rate = ops.sum(crossings, axis=-1, keepdims=True)  # (B, T, 1)
        rate = rate / self.framing.window_length_samples
        return ops.where(ops.expand_dims(mask, -1), rate, 0.0), mask

    def compute_output_spec(self, samples, num_samples=None):
        frames, mask = self.framing.compute_output_spec(samples, num_samples)
        return keras.KerasTensor((*frames.shape[:2], 1), "float32"), mask

    def get_config(self):
        return {
            **super().get_config(),
            "window_length_samples": self.framing.window_length_samples,
            "hop_length_samples": self.framing.hop_length_samples,
        }


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SpectralEntropy(keras.layers.Layer):
    """How flat the spectrum is: `-sum_f p log p / log F`, from 0 to 1.

    `p` is the power spectrum plus `energy_floor`, divided by its sum. A tone
    comes near 0, white noise near 1 and silence, by the floor, to 1.

    Reference: Shen, Hung and Lee 1998 (ICSLP), section 2, there not divided.

    Args:
        window_length_samples: int, samples a frame.
        hop_length_samples: int, samples from frame to frame.
        fft_length: int >= window_length_samples, default the window length.
        window: "hann", "hamming" or "rectangular".
        energy_floor: float > 0, added to the power of every bin.

    Call arguments:
        samples: float32 `(B, L)` in [-1, 1].
        num_samples: int32 `(B,)`, valid samples a row; default: all.

    Returns:
        features, float32 `(B, T, 1)` in [0, 1], zero in padding, and
        padding_mask, bool `(B, T)`.

    Raises:
        ValueError: for a window, `fft_length` or floor out of its range.

    Example:
        >>> SpectralEntropy()(np.zeros((1, 160), "float32"))[0].shape
        (1, 1, 1)
    """

    def __init__(
        self,
        window_length_samples=400,
        hop_length_samples=160,
        fft_length=None,
        window="hann",
        energy_floor=1e-10,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.framing = Framing(
            window_length_samples, hop_length_samples, name="framing"
        )
        self.framing.build(None)
        fft_length = fft_length or window_length_samples
        if fft_length < window_length_samples or energy_floor <= 0:
            raise ValueError(
                f"Expected fft_length >= {window_length_samples} (the window) "
                f"and energy_floor > 0, received {fft_length}, {energy_floor}."
            )
        self.fft_length = fft_length
        self.window = window
        self.energy_floor = energy_floor
        self._basis = dft_basis(
            fft_length, window_values(window, window_length_samples)
        ).T.astype("float32")  # (W, 2F)

    feature_dim = 1

    @property
    def hop_length_samples(self):
        return self.framing.hop_length_samples

    def call(self, samples, num_samples=None):
        frames, mask = self.framing(samples, num_samples)
        bins = self.fft_length // 2 + 1
        squares = ops.square(ops.matmul(frames, self._basis))  # (B, T, 2F)
        power = squares[..., :bins] + squares[..., bins:] + self.energy_floor
        p = power / ops.sum(power, axis=-1, keepdims=True)
        p_log_p = p * (ops.log(p) / -float(np.log(bins)))
        entropy = ops.sum(p_log_p, axis=-1, keepdims=True)  # (B, T, 1)
        return ops.where(ops.expand_dims(mask, -1), entropy, 0.0), mask

    def compute_output_spec(self, samples, num_samples=None):
        frames, mask = self.framing.compute_output_spec(samples, num_samples)
        return keras.KerasTensor((*frames.shape[:2], 1), "float32"), mask

    def get_config(self):
        return {
            **super().get_config(),
            "window_length_samples": self.framing.window_length_samples,
            "hop_length_samples": self.framing.hop_length_samples,
            "fft_length": self.fft_length,
            "window": self.window,
            "energy_floor": self.energy_floor,
        }
