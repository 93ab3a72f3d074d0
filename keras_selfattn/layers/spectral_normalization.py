"""Convolutions, matrices and embeddings whose largest singular value is one.

Shapes: `B` batch, `Y` height, `X` width, `I` inputs, `O` outputs.

Keras has a wrapper, `keras.layers.SpectralNormalization`. It is not used: it
writes the divided kernel over the kernel at each training call, so no gradient
passes the division, an optimizer's moments belong to other weights than it
changes, and on JAX, where a step gives back trainable variables by their
gradients only, the division is lost.
"""

import keras
from keras import ops

_SMALL = 1e-12


class _PowerIteration:
    """Mixin: the kernel over its largest singular value, an estimate.

    The right singular vector is a weight that is not trained. Each call in
    training makes one power iteration; other calls change nothing.
    """

    def _add_vector(self, kernel):
        self.singular_vector = self.add_weight(
            shape=(kernel.shape[-1],),
            initializer=keras.initializers.RandomNormal(stddev=1.0),
            trainable=False,
            name="singular_vector",
        )

    # Keras's matrices and tables keep what they know of, not the vector.

    def save_own_variables(self, store):
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store):
        keras.layers.Layer.load_own_variables(self, store)

    def _normalized(self, kernel, training):
        matrix = ops.reshape(kernel, (-1, kernel.shape[-1]))  # (I, O)
        vector = ops.cast(self.singular_vector, matrix.dtype)
        if training:
            fixed = ops.stop_gradient(matrix)
            left = _unit(ops.matmul(fixed, vector))
            vector = _unit(ops.matmul(ops.transpose(fixed), left))
            self.singular_vector.assign(vector)
        vector = ops.stop_gradient(_unit(vector))
        largest = _length(ops.matmul(matrix, vector))
        return kernel / ops.maximum(largest, _SMALL)


def _length(vector):
    # The root of 0 has no gradient.
    return ops.sqrt(ops.maximum(ops.sum(ops.square(vector)), _SMALL**2))


def _unit(vector):
    return vector / _length(vector)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SpectralConv2D(_PowerIteration, keras.layers.Conv2D):
    """A convolution whose kernel is divided by its largest singular value.

    The kernel is taken as a matrix `(height * width * I, O)`. Its largest
    singular value is estimated by one power iteration a training step; the
    vector that it goes on from is a weight, so a training that goes on from a
    checkpoint is the same.

    Reference: Miyato et al. 2018 (arXiv:1802.05957), section 2.1 and
    Algorithm 1.

    Args:
        *args, **kwargs: those of `keras.layers.Conv2D`.

    Call arguments:
        inputs: float `(B, Y, X, I)`.
        training: bool, whether to make a power iteration.

    Returns:
        float `(B, Y, X, O)`.

    Example:
        >>> SpectralConv2D(8, 3, padding="same")(np.zeros((1, 5, 5, 3))).shape
        (1, 5, 5, 8)
    """

    def build(self, input_shape):
        super().build(input_shape)
        self._add_vector(self.kernel)

    def call(self, inputs, training=False):
        kernel = self._normalized(self.kernel, training)
        outputs = self.convolution_op(inputs, kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SpectralDense(_PowerIteration, keras.layers.Dense):
    """A matrix divided by its largest singular value; see `SpectralConv2D`.

    Reference: Miyato et al. 2018 (arXiv:1802.05957), section 2.1.

    Args:
        *args, **kwargs: those of `keras.layers.Dense`.

    Call arguments:
        inputs: float `(..., I)`.
        training: bool, whether to make a power iteration.

    Returns:
        float `(..., O)`.

    Example:
        >>> SpectralDense(8)(np.zeros((1, 3))).shape
        (1, 8)
    """

    def build(self, input_shape):
        super().build(input_shape)
        self._add_vector(self.kernel)

    def call(self, inputs, training=False):
        kernel = self._normalized(self.kernel, training)
        outputs = ops.matmul(inputs, kernel)
        if self.use_bias:
            outputs = outputs + self.bias
        return self.activation(outputs)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SpectralEmbedding(_PowerIteration, keras.layers.Embedding):
    """A table divided by its largest singular value; see `SpectralConv2D`.

    Reference: Miyato et al. 2018 (arXiv:1802.05957), section 2.1; of classes:
    Miyato and Koyama 2018 (arXiv:1802.05637), section 4.

    Args:
        *args, **kwargs: those of `keras.layers.Embedding`.

    Call arguments:
        inputs: int `(...)`.
        training: bool, whether to make a power iteration.

    Returns:
        float `(..., O)`.

    Example:
        >>> SpectralEmbedding(10, 8)(np.array([3])).shape
        (1, 8)
    """

    def build(self, input_shape=None):
        super().build(input_shape)
        self._add_vector(self.embeddings)

    def call(self, inputs, training=False):
        table = self._normalized(self.embeddings, training)
        return ops.take(table, ops.cast(inputs, "int32"), axis=0)

    def compute_output_spec(self, inputs, training=False):
        return super().compute_output_spec(inputs)


def convolution(filters, size, spectral, **kwargs):
    """A "same" convolution, spectrally normalised or not."""
    cls = SpectralConv2D if spectral else keras.layers.Conv2D
    return cls(
        filters,
        size,
        padding="same",
        kernel_initializer="orthogonal",
        **kwargs,
    )


def dense(units, spectral, **kwargs):
    """A matrix, spectrally normalised or not."""
    cls = SpectralDense if spectral else keras.layers.Dense
    return cls(units, kernel_initializer="orthogonal", **kwargs)
