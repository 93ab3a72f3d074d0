"""Spectral front end: samples in, log-mel features out, inside the model.

Everything is reshapes and matrix products, so that the same layers run on
every backend and convert to the built-in operations of LiteRT: the front
end travels inside the exported file.

Shapes: `B` batch, `L` samples, `T` frames, `W` window, `F` frequency bins,
`M` mel bins.
"""

import keras
import numpy as np
from keras import ops

WINDOWS = ("hann", "hamming", "rectangular")
PADDINGS = ("centred", "causal", "mirrored")


def window_values(window, length):
    """The periodic analysis window, float64 `(W,)`."""
    n = np.arange(length)
    if window == "hann":
        return 0.5 - 0.5 * np.cos(2 * np.pi * n / length)
    if window == "hamming":
        return 0.54 - 0.46 * np.cos(2 * np.pi * n / length)
    if window == "rectangular":
        return np.ones(length)
    raise ValueError(f"window={window!r} is unknown; use one of {WINDOWS}.")


def dft_basis(fft_length, window):
    """Real and imaginary rows of the windowed DFT, float64 `(2F, W)`.

    `window` (W,) may be shorter than `fft_length`: the frame then counts as
    zero-padded. Rows 0..F-1 are cosines, rows F..2F-1 sines.
    """
    n = np.arange(len(window))
    k = np.arange(fft_length // 2 + 1)[:, None]
    angle = 2 * np.pi * k * n / fft_length
    return np.concatenate([np.cos(angle), -np.sin(angle)]) * window


def hz_to_mel(hz):
    """Slaney's mel scale: linear below 1 kHz, logarithmic above."""
    hz = np.asarray(hz, "float64")
    linear = hz / (200.0 / 3)
    log = 15.0 + np.log(np.maximum(hz, 1e-9) / 1000.0) / (np.log(6.4) / 27.0)
    return np.where(hz < 1000.0, linear, log)


def mel_to_hz(mel):
    """Inverse of `hz_to_mel`."""
    mel = np.asarray(mel, "float64")
    linear = mel * (200.0 / 3)
    log = 1000.0 * np.exp((mel - 15.0) * (np.log(6.4) / 27.0))
    return np.where(mel < 15.0, linear, log)


def mel_filter_bank(
    num_mel_bins, fft_length, sampling_rate_hz, min_hz=0.0, max_hz=None
):
    """Triangular mel filters with unit area (Slaney), float64 `(M, F)`."""
    max_hz = sampling_rate_hz / 2 if max_hz is None else max_hz
    if not 0 <= min_hz < max_hz <= sampling_rate_hz / 2:
        raise ValueError(
            f"min_hz={min_hz}, max_hz={max_hz}: expected 0 <= min_hz < "
            f"max_hz <= sampling_rate_hz / 2 = {sampling_rate_hz / 2}."
        )
    edges = mel_to_hz(
        np.linspace(hz_to_mel(min_hz), hz_to_mel(max_hz), num_mel_bins + 2)
    )
    bins = np.arange(fft_length // 2 + 1) * sampling_rate_hz / fft_length
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising = (bins - low) / (centre - low)
    falling = (high - bins) / (high - centre)
    return np.maximum(0, np.minimum(rising, falling)) * 2 / (high - low)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class Framing(keras.layers.Layer):
    """Cuts samples into overlapping frames, one every hop.

    Frame `t` is centred on sample `t * hop_length_samples` and so looks
    ahead; with padding "causal" its last sample is the one before
    `(t + 1) * hop_length_samples` (where the window is shorter than the hop,
    its first is `t * hop_length_samples`), so that a stream cut at whole hops
    waits for nothing. Outside the signal stand zeros; with padding "mirrored",
    which is centred too, the rows' own samples in reverse, as of a mirror on
    the first and on the last. There are
    `ceil(num_samples / hop_length_samples)` frames. Samples after
    `num_samples` count as zeros, whatever they hold.

    Args:
        window_length_samples: int, samples a frame (400 = 25 ms at 16 kHz;
            speech uses 20-30 ms).
        hop_length_samples: int, samples from frame to frame (160 = 10 ms).
        padding: "centred", "causal" or "mirrored" (`L` must then exceed half
            a window).

    Call arguments:
        samples: float32 `(B, L)`.
        num_samples: int32 `(B,)`, valid samples a row; default: all.

    Returns:
        frames, float32 `(B, T, W)`, and padding_mask, bool `(B, T)`, True
        where sample `t * hop_length_samples` lies inside the signal.

    Raises:
        ValueError: where a length is not a positive int, or for an unknown
            padding.

    Example:
        >>> frames, mask = Framing()(np.zeros((2, 16000), "float32"))
        >>> frames.shape
        (2, 100, 400)
    """

    def __init__(
        self,
        window_length_samples=400,
        hop_length_samples=160,
        padding="centred",
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        for name, value in (
            ("window_length_samples", window_length_samples),
            ("hop_length_samples", hop_length_samples),
        ):
            if not isinstance(value, int) or value < 1:
                raise ValueError(
                    f"{name} must be a positive int, received {value!r}."
                )
        if padding not in PADDINGS:
            raise ValueError(
                f"padding={padding!r} is unknown; use one of {PADDINGS}."
            )
        self.window_length_samples = window_length_samples
        self.hop_length_samples = hop_length_samples
        self.padding = padding

    @property
    def left_samples(self):
        """Samples that a frame sees before `t * hop_length_samples`."""
        window, hop = self.window_length_samples, self.hop_length_samples
        return max(0, window - hop) if self.padding == "causal" else window // 2

    def call(self, samples, num_samples=None):
        hop = self.hop_length_samples
        length = ops.shape(samples)[1]
        num_frames = (length + hop - 1) // hop
        if num_samples is not None:
            inside = ops.arange(length) < ops.expand_dims(num_samples, -1)
            samples = ops.where(inside, samples, 0.0)
        # A frame is `overlap` neighbouring blocks of one hop each, trimmed:
        # slices and a reshape, where a gather would be slow on a device.
        overlap = -(-self.window_length_samples // hop)
        before = self.left_samples
        if self.padding == "mirrored":
            samples = _mirror(samples, before)
            before = 0
        samples = ops.pad(samples, ((0, 0), (before, (overlap + 1) * hop)))
        samples = samples[:, : (num_frames + overlap - 1) * hop]
        blocks = ops.reshape(samples, (ops.shape(samples)[0], -1, hop))
        frames = ops.concatenate(
            [blocks[:, i : num_frames + i] for i in range(overlap)], axis=-1
        )[:, :, : self.window_length_samples]  # (B, T, W)
        if num_samples is None:
            mask = ops.ones(ops.shape(frames)[:2], dtype="bool")
        else:
            valid = (ops.cast(num_samples, "int32") + hop - 1) // hop
            mask = ops.arange(num_frames) < ops.expand_dims(valid, -1)
        return frames, mask

    def compute_output_spec(self, samples, num_samples=None):
        batch, length = samples.shape
        hop = self.hop_length_samples
        frames = None if length is None else (length + hop - 1) // hop
        return (
            keras.KerasTensor(
                (batch, frames, self.window_length_samples), "float32"
            ),
            keras.KerasTensor((batch, frames), "bool"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "window_length_samples": self.window_length_samples,
            "hop_length_samples": self.hop_length_samples,
            "padding": self.padding,
        }


def _mirror(samples, count):
    """Puts `count` samples in reverse before and behind: `(B, L + 2 count)`."""
    parts = [
        ops.flip(samples[:, 1 : count + 1], axis=1),
        samples,
        ops.flip(samples[:, -count - 1 : -1], axis=1),
    ]
    return ops.concatenate(parts if count else [samples], axis=1)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class LogMelSpectrogram(keras.layers.Layer):
    """Log-mel features: `log_scale * log10(max(mel, floor)) + log_shift`.

    `mel = filters @ |DFT(window * frame)|^2`. The defaults are the
    parameters of Whisper's front end but for two points: frames at the ends
    see zeros, not a mirrored signal, and the floor is a fixed energy, not 80
    dB below the loudest frame, so that a frame does not depend on the rest
    of the recording (for theirs: `dynamic_range_db=80.`,
    `energy_floor=1e-10`, `padding="mirrored"`).

    Reference: Radford et al. 2022 (arXiv:2212.04356), section 2.2; mel scale
    and unit-area filters after Slaney's Auditory Toolbox (1998).

    Args:
        sampling_rate_hz: int, rate of the samples.
        window_length_samples: int, samples a frame.
        hop_length_samples: int, samples from frame to frame.
        fft_length: int >= window_length_samples, default the window length.
        num_mel_bins: int, filters (output features).
        min_hz: float, lower edge of the first filter.
        max_hz: float, upper edge of the last; default: half the rate.
        window: "hann", "hamming" or "rectangular".
        energy_floor: float > 0, least mel energy.
        dynamic_range_db: float or None; if given, energies further than this
            below the row's loudest are lifted to that level.
        log_scale: float, factor on the base-10 logarithm.
        log_shift: float, added last.
        padding: "centred", "causal" or "mirrored", see Framing.

    Call arguments:
        samples: float32 `(B, L)` in [-1, 1].
        num_samples: int32 `(B,)`, valid samples a row; default: all.

    Returns:
        features, float32 `(B, T, M)`, zero in padding, and padding_mask,
        bool `(B, T)`; `T = ceil(L / hop_length_samples)`.

    Raises:
        ValueError: for an unknown window, band edges out of range or an
            `fft_length` below the window.

    Example:
        >>> layer = LogMelSpectrogram()
        >>> features, mask = layer(np.zeros((1, 16000), "float32"))
        >>> features.shape
        (1, 100, 80)
    """

    def __init__(
        self,
        sampling_rate_hz=16000,
        window_length_samples=400,
        hop_length_samples=160,
        fft_length=None,
        num_mel_bins=80,
        min_hz=0.0,
        max_hz=None,
        window="hann",
        energy_floor=1e-7,
        dynamic_range_db=None,
        log_scale=0.25,
        log_shift=1.0,
        padding="centred",
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        fft_length = fft_length or window_length_samples
        if fft_length < window_length_samples:
            raise ValueError(
                f"fft_length={fft_length} is below window_length_samples="
                f"{window_length_samples}; give at least the window."
            )
        if energy_floor <= 0:
            raise ValueError(
                f"energy_floor must be > 0, received {energy_floor}."
            )
        self.sampling_rate_hz = sampling_rate_hz
        self.window_length_samples = window_length_samples
        self.hop_length_samples = hop_length_samples
        self.fft_length = fft_length
        self.num_mel_bins = num_mel_bins
        self.min_hz = min_hz
        self.max_hz = max_hz
        self.window = window
        self.energy_floor = energy_floor
        self.dynamic_range_db = dynamic_range_db
        self.log_scale = log_scale
        self.log_shift = log_shift
        self.padding = padding
        self.framing = Framing(
            window_length_samples, hop_length_samples, padding, name="framing"
        )
        self.framing.build(None)  # nothing to build; Keras wants it said
        self._basis = dft_basis(
            fft_length, window_values(window, window_length_samples)
        ).T.astype("float32")  # (W, 2F)
        self._filters = mel_filter_bank(
            num_mel_bins, fft_length, sampling_rate_hz, min_hz, max_hz
        ).T.astype("float32")  # (F, M)

    @property
    def feature_dim(self):
        """Features a frame."""
        return self.num_mel_bins

    def power_spectrum(self, frames):
        """`|DFT(window * frame)|^2`: `(B, T, W)` -> `(B, T, F)`."""
        spectrum = ops.matmul(frames, self._basis)  # (B, T, 2F)
        bins = self.fft_length // 2 + 1
        return ops.square(spectrum[..., :bins]) + ops.square(
            spectrum[..., bins:]
        )

    def call(self, samples, num_samples=None):
        frames, mask = self.framing(samples, num_samples)
        mel = ops.matmul(self.power_spectrum(frames), self._filters)
        log = ops.log10(ops.maximum(mel, self.energy_floor))  # (B, T, M)
        keep = ops.expand_dims(mask, -1)  # (B, T, 1)
        if self.dynamic_range_db is not None:
            low = float(np.log10(self.energy_floor))
            loudest = ops.max(
                ops.where(keep, log, low), axis=(1, 2), keepdims=True
            )
            log = ops.maximum(log, loudest - self.dynamic_range_db / 10)
        features = log * self.log_scale + self.log_shift
        return ops.where(keep, features, 0.0), mask

    def compute_output_spec(self, samples, num_samples=None):
        frames, mask = self.framing.compute_output_spec(samples, num_samples)
        shape = (*frames.shape[:2], self.num_mel_bins)
        return keras.KerasTensor(shape, "float32"), mask

    def get_config(self):
        names = (
            "sampling_rate_hz window_length_samples hop_length_samples "
            "fft_length num_mel_bins min_hz max_hz window energy_floor "
            "dynamic_range_db log_scale log_shift"
        ).split()
        # Presets made before there was a choice say nothing of it.
        names += ["padding"] if self.padding != "centred" else []
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
