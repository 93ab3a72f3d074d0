"""Residual blocks that make images larger (to draw) or smaller (to judge).

Shapes: `B` batch, `Y` height, `X` width, `D` features in, `O` features out,
`E` features of the condition.
"""

import keras
from keras import ops

from keras_selfattn.layers.conditional_batch_normalization import (
    ConditionalBatchNormalization,
)
from keras_selfattn.layers.spectral_normalization import convolution


def doubled(images):
    """Each pixel four times: `(B, Y, X, D)` -> `(B, 2Y, 2X, D)`.

    By joining and reshaping, which every runtime has.
    """
    _, height, width, features = ops.shape(images)
    rows = ops.concatenate([images, images], axis=-1)  # (B, Y, X, 2D)
    rows = ops.reshape(rows, (-1, height, 2 * width * features))
    rows = ops.concatenate([rows, rows], axis=-1)
    return ops.reshape(rows, (-1, 2 * height, 2 * width, features))


def halved(images):
    """Means of 2x2 pixels: `(B, Y, X, D)` -> `(B, Y/2, X/2, D)`."""
    return ops.average_pool(images, 2, strides=2, padding="valid")


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ResidualUpBlock(keras.layers.Layer):
    """A block of a generator: twice the height and width.

    `skip(up(x)) + conv(relu(norm(conv(up(relu(norm(x)))))))`, both norms with
    gains and biases from the condition.

    Reference: Brock et al. 2019 (arXiv:1809.11096), appendix B, figure 15b.
    The skip's 1x1 convolution comes before the enlarging, which gives the
    same.

    Args:
        filters: int >= 1, `O`.
        spectral_normalization: bool, see `SpectralConv2D`.

    Call arguments:
        inputs: float `(B, Y, X, D)`.
        condition: float `(B, E)`.
        training: bool.

    Returns:
        float `(B, 2Y, 2X, O)`.

    Example:
        >>> block = ResidualUpBlock(16)
        >>> block(np.zeros((2, 7, 7, 32)), np.zeros((2, 8))).shape
        (2, 14, 14, 16)
    """

    def __init__(self, filters, spectral_normalization=False, **kwargs):
        super().__init__(**kwargs)
        _check_filters(filters)
        self.filters = filters
        self.spectral_normalization = spectral_normalization

    def build(self, inputs_shape, condition_shape):
        batch, height, width, dim = inputs_shape
        large = (
            batch,
            None if height is None else 2 * height,
            None if width is None else 2 * width,
        )
        options = {
            "spectral_normalization": self.spectral_normalization,
            "dtype": self.dtype_policy,
        }
        self.norm_0 = ConditionalBatchNormalization(name="norm_0", **options)
        self.norm_0.build(inputs_shape, condition_shape)
        self.norm_1 = ConditionalBatchNormalization(name="norm_1", **options)
        self.norm_1.build((*large, self.filters), condition_shape)
        add_convolutions(self, dim, self.filters)

    def call(self, inputs, condition, training=False):
        x = ops.relu(self.norm_0(inputs, condition))
        x = self.convolution_0(doubled(x))
        x = ops.relu(self.norm_1(x, condition))
        x = self.convolution_1(x)
        return x + doubled(self.skip(inputs))

    def compute_output_shape(self, inputs_shape, condition_shape):
        batch, *sides, _ = inputs_shape
        sides = [None if side is None else 2 * side for side in sides]
        return (batch, *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "spectral_normalization": self.spectral_normalization,
        }


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ResidualDownBlock(keras.layers.Layer):
    """A block of a discriminator: half the height and width, or as many.

    `down(skip(x)) + down(conv(relu(conv(relu(x)))))`, without norms.

    Reference: Brock et al. 2019 (arXiv:1809.11096), appendix B, figure 15c.

    Args:
        filters: int >= 1, `O`.
        down: bool, whether height and width are halved.
        on_pixels: bool, inputs are an image: no activation before the first
            convolution.
        spectral_normalization: bool, see `SpectralConv2D`.

    Call arguments:
        inputs: float `(B, Y, X, D)`.
        training: bool.

    Returns:
        float `(B, Y/2, X/2, O)`, or `(B, Y, X, O)`.

    Example:
        >>> ResidualDownBlock(16)(np.zeros((2, 28, 28, 1))).shape
        (2, 14, 14, 16)
    """

    def __init__(
        self,
        filters,
        down=True,
        on_pixels=False,
        spectral_normalization=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        _check_filters(filters)
        self.filters = filters
        self.down = down
        self.on_pixels = on_pixels
        self.spectral_normalization = spectral_normalization

    def build(self, input_shape):
        add_convolutions(self, input_shape[-1], self.filters)

    def call(self, inputs, training=False):
        x = inputs if self.on_pixels else ops.relu(inputs)
        x = self.convolution_0(x)
        x = self.convolution_1(ops.relu(x))
        if not self.down:
            return x + self.skip(inputs)
        return halved(x) + self.skip(halved(inputs))

    def compute_output_shape(self, input_shape):
        batch, *sides, _ = input_shape
        if self.down:
            sides = [None if side is None else side // 2 for side in sides]
        return (batch, *sides, self.filters)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "down": self.down,
            "on_pixels": self.on_pixels,
            "spectral_normalization": self.spectral_normalization,
        }


def add_convolutions(block, dim, filters):
    """Gives a block its two 3x3 convolutions and the 1x1 of its skip."""
    for name, size, inputs in (
        ("convolution_0", 3, dim),
        ("convolution_1", 3, filters),
        ("skip", 1, dim),
    ):
        layer = convolution(
            filters,
            size,
            block.spectral_normalization,
            dtype=block.dtype_policy,
            name=name,
        )
        layer.build((None, None, None, inputs))
        setattr(block, name, layer)


def _check_filters(filters):
    if not isinstance(filters, int) or filters < 1:
        raise ValueError(f"filters must be an int >= 1, received {filters!r}.")
