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
    content cannot reach valid positions.

    Reference: Gulati et al. 2020 (arXiv:2005.08100), section 2.2. Differs:
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

    def call(self, inputs, padding_mask=None, training=False):
        value, gate = ops.split(self.gate(inputs), 2, axis=-1)
        hidden = value * ops.sigmoid(gate)
        if padding_mask is not None:
            keep = ops.expand_dims(padding_mask, -1)
            hidden = ops.where(keep, hidden, ops.zeros_like(hidden))
        hidden = self.depthwise(hidden)
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
