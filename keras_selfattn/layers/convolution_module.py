"""The Conformer's convolution module.

Shapes: `B` batch, `T` positions, `D` model dimension.
"""

import keras
from keras import ops

NORMALIZATIONS = ("layer", "batch")


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ConvolutionModule(keras.layers.Layer):
    """Gated pointwise, depthwise, norm, SiLU, pointwise: local context.

    Padding is set to zero before the depthwise convolution, so that its
    content cannot reach valid positions. With a `chunk_size`, what stands
    behind a position's chunk counts as zero, too: the same weights serve a
    stream, which does not know it yet. (Half a kernel to the left is always
    seen, across chunks.)

    Reference: Gulati et al. 2020 (arXiv:2005.08100), section 2.2; chunks: Li
    et al. 2023 (arXiv:2304.09325), section 2. Differs:
    the norm after the depthwise convolution is by default a layer norm,
    which does not depend on the batch's make-up or padding; the outer norm
    and the residual belong to the block.

    Args:
        kernel_size: odd int, width of the depthwise convolution.
        normalization: "layer" or "batch".
        dropout: float in [0, 1), on the output.
        seed: int, seed of the dropout.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real, or None.
        chunk_size: int or int scalar tensor >= 1, positions of a chunk (each
            call may have another), or None for no chunks.
        training: bool.

    Returns:
        float `(B, T, D)`.

    Raises:
        ValueError: for an even `kernel_size` or an unknown normalization.

    Example:
        >>> ConvolutionModule(15)(np.zeros((2, 10, 64))).shape
        (2, 10, 64)
    """

    def __init__(
        self,
        kernel_size=31,
        normalization="layer",
        dropout=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(kernel_size, int) or kernel_size % 2 == 0:
            raise ValueError(
                f"kernel_size must be an odd int, received {kernel_size!r}."
            )
        if normalization not in NORMALIZATIONS:
            raise ValueError(
                f"normalization={normalization!r} is unknown; use one of "
                f"{NORMALIZATIONS}."
            )
        self.kernel_size = kernel_size
        self.normalization = normalization
        self.dropout = dropout
        self.seed = seed

    def build(self, input_shape):
        dim = input_shape[-1]
        policy = {"dtype": self.dtype_policy}
        self.gate = keras.layers.Dense(2 * dim, name="gate", **policy)
        self.gate.build((None, None, dim))
        self.depthwise = keras.layers.DepthwiseConv1D(
            self.kernel_size, padding="same", name="depthwise", **policy
        )
        self.depthwise.build((None, None, dim))
        if self.normalization == "layer":
            self.norm = keras.layers.LayerNormalization(
                epsilon=1e-5, name="norm", **policy
            )
        else:
            self.norm = keras.layers.BatchNormalization(name="norm", **policy)
        self.norm.build((None, None, dim))
        self.project = keras.layers.Dense(dim, name="project", **policy)
        self.project.build((None, None, dim))
        self.dropout_layer = keras.layers.Dropout(
            self.dropout, seed=self.seed, name="dropout", **policy
        )

    def _convolve(self, hidden, chunk_size):
        """The depthwise convolution, blind to what is behind a chunk.

        What a place may see ahead depends on where in its chunk it stands,
        so the taps to the right are added one by one, each under its mask:
        a chunk size that is drawn anew for each batch changes no shape.
        """
        reach, length = self.kernel_size // 2, ops.shape(hidden)[1]
        kernel = ops.convert_to_tensor(self.depthwise.kernel)
        kernel = ops.cast(kernel, hidden.dtype)  # (2 reach + 1, D, 1)
        padded = ops.pad(hidden, ((0, 0), (reach, reach), (0, 0)))
        outputs = ops.depthwise_conv(
            padded[:, : length + reach], kernel[: reach + 1], padding="valid"
        )
        place = ops.mod(ops.arange(length, dtype="int32"), chunk_size)
        place = ops.expand_dims(place, -1)  # (T, 1)
        for ahead in range(1, reach + 1):
            inside = ops.cast(place + ahead < chunk_size, hidden.dtype)
            tap = inside * kernel[reach + ahead, :, 0]  # (T, D)
            start = reach + ahead
            outputs = outputs + padded[:, start : start + length] * tap
        return outputs + ops.cast(self.depthwise.bias, hidden.dtype)

    def call(self, inputs, padding_mask=None, chunk_size=None, training=False):
        hidden = self._gated(inputs, padding_mask)
        if chunk_size is None:
            hidden = self.depthwise(hidden)
        else:
            hidden = self._convolve(hidden, chunk_size)
        return self._projected(hidden, padding_mask, training)

    def step(self, inputs, padding_mask, past):
        """The outputs of a chunk, the same as `call` gives with chunks.

        Args:
            inputs: float `(B, C, D)`.
            padding_mask: bool `(B, C)`.
            past: float `(B, kernel_size // 2, D)`, what stood before the
                chunk at the depthwise convolution. At first zeros.

        Returns:
            float `(B, C, D)` and the next chunk's past.
        """
        reach = self.kernel_size // 2
        hidden = self._gated(inputs, padding_mask)
        seen = ops.concatenate([ops.cast(past, hidden.dtype), hidden], axis=1)
        kernel = ops.convert_to_tensor(self.depthwise.kernel)
        hidden = ops.depthwise_conv(
            ops.pad(seen, ((0, 0), (0, reach), (0, 0))),
            ops.cast(kernel, hidden.dtype),
            padding="valid",
        ) + ops.cast(self.depthwise.bias, hidden.dtype)
        following = ops.cast(seen[:, seen.shape[1] - reach :], past.dtype)
        return self._projected(hidden, padding_mask, False), following

    def _gated(self, inputs, padding_mask):
        """What the depthwise convolution sees, zero in padding."""
        value, gate = ops.split(self.gate(inputs), 2, axis=-1)
        hidden = value * ops.sigmoid(gate)
        if padding_mask is not None:
            keep = ops.expand_dims(padding_mask, -1)
            hidden = ops.where(keep, hidden, ops.zeros_like(hidden))
        return hidden

    def _projected(self, hidden, padding_mask, training):
        if self.normalization == "batch":
            hidden = self.norm(hidden, training=training, mask=padding_mask)
        else:
            hidden = self.norm(hidden)
        hidden = self.project(ops.silu(hidden))
        return self.dropout_layer(hidden, training=training)

    def compute_output_shape(self, input_shape, *args, **kwargs):
        return input_shape

    def get_config(self):
        names = "kernel_size normalization dropout seed".split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
