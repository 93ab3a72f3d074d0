"""Several front ends side by side: their features in one frame.

Shapes: `B` batch, `L` samples, `T` frames, `D` features of all parts.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_selfattn")
class JoinedFeatures(keras.layers.Layer):
    """Features of several front ends, each times its scale, in one frame.

    `y = [scale_0 * part_0(x), scale_1 * part_1(x), ...]`. A front end of a
    `SpeechRecognizer` that joins what its parts hear: MFCC, zero-crossing
    rate and spectral entropy, say, whose ranges differ by a hundred times,
    which is what the scales are for.

    Args:
        parts: list of front ends (or of their serialised configs) with the
            same hop: `LogMelSpectrogram`, `MFCC`, `ZeroCrossingRate`,
            `SpectralEntropy`. The first one's sampling rate is told.
        scales: list of float, one a part; default: ones.

    Call arguments:
        samples: float32 `(B, L)` in [-1, 1].
        num_samples: int32 `(B,)`, valid samples a row; default: all.

    Returns:
        features, float32 `(B, T, D)`, zero in padding, and padding_mask,
        bool `(B, T)`.

    Raises:
        ValueError: no part, different hops, or another number of scales.

    Example:
        >>> layer = JoinedFeatures([MFCC(), ZeroCrossingRate()], [0.1, 4.0])
        >>> layer(np.zeros((1, 16000), "float32"))[0].shape
        (1, 100, 14)
    """

    def __init__(self, parts, scales=None, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.parts = [
            keras.saving.deserialize_keras_object(part)
            if isinstance(part, dict)
            else part
            for part in parts
        ]
        hops = [part.hop_length_samples for part in self.parts]
        if len(set(hops)) != 1:
            raise ValueError(
                f"parts have hops of {hops} samples; expected at least one "
                "part, and one hop for all."
            )
        if scales is None:
            scales = [1.0] * len(self.parts)
        if len(scales) != len(self.parts):
            raise ValueError(
                f"scales={scales}; expected one for each of the "
                f"{len(self.parts)} parts."
            )
        self.scales = [float(scale) for scale in scales]
        for part in self.parts:
            part.build(None)

    @property
    def feature_dim(self):
        """Features a frame."""
        return sum(part.feature_dim for part in self.parts)

    @property
    def sampling_rate_hz(self):
        return self.parts[0].sampling_rate_hz

    @property
    def hop_length_samples(self):
        return self.parts[0].hop_length_samples

    def call(self, samples, num_samples=None):
        found = [part(samples, num_samples) for part in self.parts]
        features = [
            features * scale for (features, _), scale in zip(found, self.scales)
        ]
        return ops.concatenate(features, axis=-1), found[0][1]  # (B, T, D)

    def compute_output_spec(self, samples, num_samples=None):
        frames, mask = self.parts[0].compute_output_spec(samples, num_samples)
        shape = (*frames.shape[:2], self.feature_dim)
        return keras.KerasTensor(shape, "float32"), mask

    def get_config(self):
        return {
            **super().get_config(),
            "parts": [
                keras.saving.serialize_keras_object(part) for part in self.parts
            ],
            "scales": self.scales,
        }
