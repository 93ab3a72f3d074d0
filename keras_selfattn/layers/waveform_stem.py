"""Convolutions that make a Transformer's frames of raw samples.

Shapes: `B` batch, `L` samples, `T` frames between two convolutions, `S`
frames, `D` model dimension.
"""

import keras
import numpy as np
from keras import ops

KERNELS, STRIDES = (127, 7, 3), (64, 3, 2)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class WaveformStem(keras.layers.Layer):
    """Three learned convolutions in the place of a spectrogram.

    `x = norm(tanh(conv(samples)))` (width 127, stride 64, no bias), then
    `gelu(conv(x))` twice (widths 7, 3; strides 3, 2), without padding: a frame
    for each 384 samples (24 ms at 16 kHz). The norm is one of the whole row:
    mean and variance over all of its frames and features, then a scale and a
    shift a feature.

    With `num_samples` a row gives what it gives alone: frames that reach
    beyond its samples take no part in the norm and are padding in the mask.

    Reference: Jeffries et al. 2024 (arXiv:2410.15608), section 3.1; group
    norm with one group: Wu and He 2018 (arXiv:1803.08494).

    Args:
        hidden_dim: int, `D`; the second convolution has `2 D` features.
        epsilon: float > 0, added to the variance.

    Call arguments:
        samples: float `(B, L)` in [-1, 1], `L >= min_samples`.
        num_samples: int `(B,)`, valid samples a row, or None for all.

    Returns:
        features, float `(B, S, D)`, and padding_mask, bool `(B, S)`.

    Raises:
        ValueError: for less than one feature, or samples too few for a frame.

    Example:
        >>> features, mask = WaveformStem(8)(np.zeros((1, 16000), "float32"))
        >>> features.shape
        (1, 40, 8)
    """

    def __init__(self, hidden_dim, epsilon=1e-5, **kwargs):
        super().__init__(**kwargs)
        if not isinstance(hidden_dim, int) or hidden_dim < 1:
            raise ValueError(
                f"hidden_dim must be an int >= 1, received {hidden_dim!r}."
            )
        self.hidden_dim = hidden_dim
        self.epsilon = epsilon
        self.convolutions = [
            keras.layers.Conv1D(
                filters,
                kernel,
                strides=stride,
                activation=activation,
                use_bias=i > 0,
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            for i, (filters, kernel, stride, activation) in enumerate(
                zip(
                    (hidden_dim, 2 * hidden_dim, hidden_dim),
                    KERNELS,
                    STRIDES,
                    ("tanh", "gelu", "gelu"),
                    strict=True,
                )
            )
        ]

    def build(self, input_shape=None):
        features = 1
        for layer in self.convolutions:
            layer.build((None, None, features))
            features = layer.filters
        for name, initializer in (("gamma", "ones"), ("beta", "zeros")):
            weight = self.add_weight(
                name=name, shape=(self.hidden_dim,), initializer=initializer
            )
            setattr(self, name, weight)

    @property
    def min_samples(self):
        """Fewest samples that give a frame: 895."""
        frames = 1
        for kernel, stride in zip(KERNELS[::-1], STRIDES[::-1], strict=True):
            frames = (frames - 1) * stride + kernel
        return frames

    @property
    def stride_samples(self):
        """Samples from frame to frame: 384."""
        return int(np.prod(STRIDES))

    def output_length(self, num_samples):
        """Frames of so many samples (int, array or tensor)."""
        return self._frames(num_samples, len(STRIDES))

    def _frames(self, length, depth):
        """What is left of a length behind so many convolutions."""
        for kernel, stride in zip(KERNELS[:depth], STRIDES[:depth]):
            length = (length - kernel) // stride + 1
        return length

    def call(self, samples, num_samples=None):
        length = samples.shape[1]
        if isinstance(length, int) and length < self.min_samples:
            raise ValueError(
                f"{length} samples came; a frame takes {self.min_samples}. "
                "Put zeros behind them."
            )
        first, *others = self.convolutions
        x = first(ops.expand_dims(samples, -1))  # (B, T, D)
        x = self._normalised(x, self._valid(x, num_samples, 1))
        for layer in others:
            x = layer(x)
        mask = self._valid(x, num_samples, len(STRIDES))
        if mask is None:
            mask = ops.ones(ops.shape(x)[:2], dtype="bool")
        return x, mask

    def _valid(self, x, num_samples, depth):
        """True for frames of valid samples, bool `(B, T)`; None for all."""
        if num_samples is None:
            return None
        frames = self._frames(ops.cast(num_samples, "int32"), depth)
        places = ops.arange(ops.shape(x)[1], dtype="int32")
        return ops.expand_dims(places, 0) < ops.expand_dims(frames, 1)

    def _normalised(self, x, mask):
        """Group norm with one group; in float32, however many frames."""
        dtype = x.dtype
        x = ops.cast(x, "float32")

        def mean(values):
            # Over features first: a sum of few means rounds less than one
            # of a million values.
            values = ops.mean(values, axis=2)  # (B, T)
            if mask is None:
                found = ops.mean(values, axis=1)
            else:
                real = ops.cast(mask, "float32")
                count = ops.maximum(ops.sum(real, axis=1), 1.0)
                found = ops.sum(values * real, axis=1) / count
            return ops.reshape(found, (-1, 1, 1))

        x = x - mean(x)
        x = x * ops.rsqrt(mean(ops.square(x)) + self.epsilon)
        gamma, beta = (ops.cast(w, "float32") for w in (self.gamma, self.beta))
        return ops.cast(x * gamma + beta, dtype)

    def compute_output_spec(self, samples, num_samples=None):
        batch, length = samples.shape
        length = None if length is None else self.output_length(length)
        return (
            keras.KerasTensor(
                (batch, length, self.hidden_dim), self.compute_dtype
            ),
            keras.KerasTensor((batch, length), "bool"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "hidden_dim": self.hidden_dim,
            "epsilon": self.epsilon,
        }
