"""Batch normalisation whose gain and bias follow from a condition.

Shapes: `B` batch, `D` features, `E` features of the condition.
"""

import keras
from keras import ops

from keras_selfattn.layers.spectral_normalization import dense


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ConditionalBatchNormalization(keras.layers.Layer):
    """`norm(x) * (1 + W c) + V c`, for a condition `c` of each image.

    `norm` takes mean and variance over batch and places in training, and their
    moving means elsewhere. The condition is an embedded class, or that and a
    part of the latents.

    Reference: de Vries et al. 2017 (arXiv:1707.00683), section 3; as here, with
    linear gains and biases: Brock et al. 2019 (arXiv:1809.11096), appendix B.

    Args:
        momentum: float in [0, 1), what stays of the moving means at a step.
        epsilon: float > 0, added to the variance.
        spectral_normalization: bool, of `W` and `V`; see `SpectralConv2D`.

    Call arguments:
        inputs: float `(B, ..., D)`.
        condition: float `(B, E)`.
        training: bool.

    Returns:
        float, as the inputs.

    Example:
        >>> layer = ConditionalBatchNormalization()
        >>> layer(np.zeros((2, 4, 4, 8)), np.zeros((2, 3))).shape
        (2, 4, 4, 8)
    """

    def __init__(
        self,
        momentum=0.9,
        epsilon=1e-5,
        spectral_normalization=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.momentum = momentum
        self.epsilon = epsilon
        self.spectral_normalization = spectral_normalization

    def build(self, inputs_shape, condition_shape):
        dim = inputs_shape[-1]
        self.norm = keras.layers.BatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            center=False,
            scale=False,
            dtype=self.dtype_policy,
            name="norm",
        )
        self.norm.build(inputs_shape)
        for name in ("gain", "bias"):
            layer = dense(
                dim,
                self.spectral_normalization,
                use_bias=False,
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build(condition_shape)
            setattr(self, name, layer)

    def call(self, inputs, condition, training=False):
        shape = (-1,) + (1,) * (len(inputs.shape) - 2) + (inputs.shape[-1],)
        gain = self.gain(condition)
        bias = self.bias(condition)
        outputs = self.norm(inputs)
        return outputs * (1.0 + ops.reshape(gain, shape)) + ops.reshape(
            bias, shape
        )

    def compute_output_shape(self, inputs_shape, condition_shape):
        return inputs_shape

    def get_config(self):
        return {
            **super().get_config(),
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "spectral_normalization": self.spectral_normalization,
        }
