"""SpecAugment: hides bands and stretches of a spectrogram while training.

Shapes: `B` batch, `T` frames, `M` features, `K` masks.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SpecAugment(keras.layers.Layer):
    """Sets random frequency bands and time stretches to zero in training.

    Reference: Park et al. 2019 (arXiv:1904.08779), section 2; time masks in
    proportion to the valid length as in Park et al. 2020 (arXiv:1912.05533).
    No time warping.

    Args:
        num_frequency_masks: int >= 0, bands an utterance.
        max_frequency_width: int, widest band in features.
        num_time_masks: int >= 0, stretches an utterance.
        max_time_fraction: float in [0, 1], longest stretch as a part of the
            valid frames.
        seed: int, seed of the layer's own generator (its state is saved with
            the model, so a resumed run draws what it would have drawn).

    Call arguments:
        features: float `(B, T, M)`.
        padding_mask: bool `(B, T)`, True = real.
        training: bool; the layer is the identity unless True.

    Returns:
        features of the same shape and dtype.

    Raises:
        ValueError: for a negative count or a fraction outside [0, 1].

    Example:
        >>> layer = SpecAugment(2, 27, 2, 0.05, seed=1)
        >>> layer(np.ones((1, 50, 80)), training=True).shape
        (1, 50, 80)
    """

    def __init__(
        self,
        num_frequency_masks=2,
        max_frequency_width=20,
        num_time_masks=2,
        max_time_fraction=0.08,
        seed=0,
        **kwargs,
    ):
        super().__init__(**{"dtype": "float32", **kwargs})
        if min(num_frequency_masks, num_time_masks, max_frequency_width) < 0:
            raise ValueError(
                "Counts and widths must be >= 0, received "
                f"num_frequency_masks={num_frequency_masks}, max_frequency_"
                f"width={max_frequency_width}, num_time_masks={num_time_masks}."
            )
        if not 0 <= max_time_fraction <= 1:
            raise ValueError(
                f"max_time_fraction={max_time_fraction} is outside [0, 1]."
            )
        self.num_frequency_masks = num_frequency_masks
        self.max_frequency_width = max_frequency_width
        self.num_time_masks = num_time_masks
        self.max_time_fraction = max_time_fraction
        self.seed = seed
        # A training may switch it on late: read when the step is traced.
        self.enabled = True
        self.seed_generator = keras.random.SeedGenerator(seed)

    def _visible(self, size, lengths, max_widths, count):
        """Bool `(B, size)`: False inside `count` random stretches a row."""
        shape = (ops.shape(lengths)[0], count)
        draw = keras.random.uniform(
            (2, *shape), dtype="float32", seed=self.seed_generator
        )
        widths = ops.floor(
            draw[0] * (ops.expand_dims(max_widths, -1) + 1)
        )  # (B, K)
        room = ops.maximum(ops.expand_dims(lengths, -1) - widths, 0.0)
        starts = ops.floor(draw[1] * (room + 1))
        index = ops.cast(ops.arange(size), "float32")  # (size,)
        starts = ops.expand_dims(starts, -1)  # (B, K, 1)
        ends = starts + ops.expand_dims(widths, -1)
        hidden = ops.logical_and(index >= starts, index < ends)
        return ops.logical_not(ops.any(hidden, axis=1))

    def call(self, features, padding_mask=None, training=False):
        if not training or not self.enabled:
            return features
        shape = ops.shape(features)
        if padding_mask is None:
            padding_mask = ops.ones(shape[:2], dtype="bool")
        lengths = ops.sum(ops.cast(padding_mask, "float32"), axis=1)  # (B,)
        visible = ops.ones((shape[0], shape[1], shape[2]), dtype="bool")
        if self.num_frequency_masks and self.max_frequency_width:
            bins = ops.zeros_like(lengths) + float(features.shape[-1])
            width = ops.zeros_like(lengths) + float(self.max_frequency_width)
            band = self._visible(
                features.shape[-1], bins, width, self.num_frequency_masks
            )
            visible = ops.logical_and(visible, ops.expand_dims(band, 1))
        if self.num_time_masks and self.max_time_fraction:
            width = ops.floor(lengths * self.max_time_fraction)
            stretch = self._visible(
                shape[1], lengths, width, self.num_time_masks
            )
            visible = ops.logical_and(visible, ops.expand_dims(stretch, -1))
        return ops.where(visible, features, ops.zeros_like(features))

    def compute_output_shape(self, input_shape, *args, **kwargs):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "num_frequency_masks": self.num_frequency_masks,
            "max_frequency_width": self.max_frequency_width,
            "num_time_masks": self.num_time_masks,
            "max_time_fraction": self.max_time_fraction,
            "seed": self.seed,
        }
