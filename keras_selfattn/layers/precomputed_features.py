"""Features that were made elsewhere, in the place of a spectral front end.

Shapes: `B` batch, `T` frames, `C` features of a frame as they come.
"""

import keras
from keras import ops

from keras_selfattn.layers.classic_features import deltas

_VARIANCE_FLOOR = 1e-5


@keras.saving.register_keras_serializable(package="keras_selfattn")
class PrecomputedFeatures(keras.layers.Layer):
    """Appends slopes to features and normalises them by utterance.

    For corpora that are handed out as features without their sound (AN4's
    cepstra, Kaldi archives). It is called as `LogMelSpectrogram` is, and takes
    frames where that takes samples: a recogniser with this front end hears
    arrays `(T, C)`. Each of the `C (1 + delta_order)` features is then
    `(x - mean) / sqrt(variance)` over the valid frames of its utterance.

    Reference: slopes as in the HTK book, section 5.9; normalisation by
    utterance: Viikki and Laurila 1998 (Speech Communication 25).

    Args:
        num_features: int >= 1, `C`.
        frame_rate_hz: int >= 1, frames a second.
        delta_order: 0, 1 or 2, how often to append slopes.
        delta_reach: int >= 1, frames to either side of a slope.
        normalize: bool, mean 0 and variance 1 by utterance.

    Call arguments:
        samples: float32 `(B, T, C)`.
        num_samples: int32 `(B,)`, valid frames a row; default: all.

    Returns:
        features, float32 `(B, T, C * (1 + delta_order))`, zero in padding,
        and padding_mask, bool `(B, T)`.

    Raises:
        ValueError: for numbers out of the ranges above.

    Example:
        >>> PrecomputedFeatures(13)(np.zeros((1, 99, 13)))[0].shape
        (1, 99, 39)
    """

    hop_length_samples = 1  # a frame is a sample: nothing is left out

    def __init__(
        self,
        num_features=13,
        frame_rate_hz=100,
        delta_order=2,
        delta_reach=2,
        normalize=True,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        if num_features < 1 or frame_rate_hz < 1:
            raise ValueError(
                f"num_features={num_features}, frame_rate_hz={frame_rate_hz}; "
                "expected ints >= 1."
            )
        if delta_order not in (0, 1, 2) or delta_reach < 1:
            raise ValueError(
                f"delta_order={delta_order}, delta_reach={delta_reach}; "
                "expected 0, 1 or 2, and at least 1."
            )
        self.num_features = num_features
        self.frame_rate_hz = frame_rate_hz
        self.delta_order = delta_order
        self.delta_reach = delta_reach
        self.normalize = normalize

    @property
    def sampling_rate_hz(self):
        """What comes in a second: frames."""
        return self.frame_rate_hz

    @property
    def sample_shape(self):
        """Shape of what comes at one time."""
        return (self.num_features,)

    @property
    def feature_dim(self):
        """Features of a frame that go out."""
        return self.num_features * (1 + self.delta_order)

    def call(self, samples, num_samples=None):
        shape = ops.shape(samples)
        if num_samples is None:
            num_samples = ops.zeros(shape[:1], dtype="int32") + shape[1]
        mask = ops.arange(shape[1], dtype="int32") < ops.expand_dims(
            ops.cast(num_samples, "int32"), -1
        )  # (B, T)
        keep = ops.expand_dims(mask, -1)
        x = ops.cast(samples, "float32")
        parts = [ops.where(keep, x, ops.zeros_like(x))]
        for _ in range(self.delta_order):
            parts.append(deltas(parts[-1], mask, self.delta_reach))
        x = ops.concatenate(parts, axis=-1)
        if not self.normalize:
            return x, mask
        real = ops.cast(keep, "float32")
        count = ops.maximum(ops.sum(real, axis=1, keepdims=True), 1.0)
        mean = ops.sum(x, axis=1, keepdims=True) / count  # padding is zero
        x = (x - mean) * real
        variance = ops.sum(ops.square(x), axis=1, keepdims=True) / count
        return x * ops.rsqrt(variance + _VARIANCE_FLOOR), mask

    def compute_output_spec(self, samples, num_samples=None):
        shape = samples.shape[:2]
        return (
            keras.KerasTensor((*shape, self.feature_dim), "float32"),
            keras.KerasTensor(shape, "bool"),
        )

    def get_config(self):
        names = (
            "num_features frame_rate_hz delta_order delta_reach normalize"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
