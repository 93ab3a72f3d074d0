"""Convolutions over time that shorten the sequence.

Shapes: `B` batch, `T` frames, `T'` frames after the strides, `D` filters.
"""

import keras
from keras import ops

PADDINGS = ("same", "causal")


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ConvolutionalSubsampling(keras.layers.Layer):
    """A stack of width-3 convolutions; each shortens time by its stride.

    A stride `s` takes `T` frames to `ceil(T / s)`. Padding is set to zero
    before each convolution, so that its content cannot reach valid frames;
    the ends are padded with one zero frame on either side, the same on every
    backend. A convolution of stride 1 so looks one frame ahead; with padding
    "causal" it has two zero frames on its left, sees what it saw a frame
    before, and frames that come in multiples of `product(strides)` give
    whole outputs that nothing later changes. A stride of 2 or more never
    looks beyond the frames that it takes together: there, both are the same.

    Reference: Radford et al. 2022 (arXiv:2212.04356), section 2.2 (strides
    1, 2); a one-dimensional form of Gulati et al. 2020 (arXiv:2005.08100),
    section 2 (strides 2, 2).

    Args:
        filters: int, output features of every convolution.
        strides: list of int, one convolution each.
        activation: str, a Keras activation, after each.
        padding: "same" or "causal".

    Call arguments:
        inputs: float `(B, T, F)`.
        padding_mask: bool `(B, T)`, True = real, or None.

    Returns:
        float `(B, T', D)` and bool `(B, T')`, all True without a mask.

    Raises:
        ValueError: for strides that are not positive ints, or an unknown
            padding.

    Example:
        >>> layer = ConvolutionalSubsampling(64, strides=(2, 2))
        >>> layer(np.zeros((1, 101, 80)))[0].shape
        (1, 26, 64)
    """

    def __init__(
        self,
        filters,
        strides=(2, 2),
        activation="gelu",
        padding="same",
        **kwargs,
    ):
        super().__init__(**kwargs)
        strides = list(strides)
        if not strides or any(not isinstance(s, int) or s < 1 for s in strides):
            raise ValueError(
                f"strides must be positive ints, received {strides!r}."
            )
        if padding not in PADDINGS:
            raise ValueError(
                f"padding={padding!r} is unknown; use one of {PADDINGS}."
            )
        self.filters = filters
        self.strides = strides
        self.activation = activation
        self.padding = padding
        self.convolutions = [
            keras.layers.Conv1D(
                filters,
                3,
                strides=stride,
                activation=activation,
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            for i, stride in enumerate(strides)
        ]

    def build(self, input_shape):
        features = input_shape[-1]
        for layer in self.convolutions:
            layer.build((None, None, features))
            features = self.filters

    @property
    def left_frames(self):
        """Frames that each convolution sees before those it takes together."""
        causal = self.padding == "causal"
        return [2 if causal and stride == 1 else 1 for stride in self.strides]

    def call(self, inputs, padding_mask=None):
        x, mask = inputs, padding_mask
        for layer, stride, left in zip(
            self.convolutions, self.strides, self.left_frames, strict=True
        ):
            if mask is not None:
                keep = ops.expand_dims(mask, -1)
                x = ops.where(keep, x, ops.zeros_like(x))
            x = layer(ops.pad(x, ((0, 0), (left, 2 - left), (0, 0))))
            if mask is not None and stride > 1:
                mask = mask[:, ::stride]
        if mask is None:
            mask = ops.ones(ops.shape(x)[:2], dtype="bool")
        return x, mask

    def step(self, inputs, padding_mask, past):
        """The frames of a chunk, the same as those of the whole sequence.

        Args:
            inputs: float `(B, T, F)`, T a multiple of `product(strides)`;
                the layer has padding "causal".
            padding_mask: bool `(B, T)`.
            past: list of float `(B, left, F or D)`, what stood before the
                chunk at each convolution; see `left_frames`. At first zeros.

        Returns:
            float `(B, T', D)`, bool `(B, T')` and the next chunk's past.
        """
        x, mask, following = inputs, padding_mask, []
        for layer, stride, left, before in zip(
            self.convolutions, self.strides, self.left_frames, past, strict=True
        ):
            x = ops.where(ops.expand_dims(mask, -1), x, ops.zeros_like(x))
            x = ops.concatenate([ops.cast(before, x.dtype), x], axis=1)
            following.append(ops.cast(x[:, x.shape[1] - left :], before.dtype))
            x = layer(x)
            mask = mask[:, ::stride]
        return x, mask, following

    def output_length(self, length):
        """Frames out for `length` frames in (int or array)."""
        for stride in self.strides:
            length = (length + stride - 1) // stride
        return length

    def compute_output_spec(self, inputs, padding_mask=None):
        batch, length, _ = inputs.shape
        length = None if length is None else self.output_length(length)
        shape = (batch, length, self.filters)
        return (
            keras.KerasTensor(shape, self.compute_dtype),
            keras.KerasTensor((batch, length), "bool"),
        )

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "strides": self.strides,
            "activation": self.activation,
            "padding": self.padding,
        }
