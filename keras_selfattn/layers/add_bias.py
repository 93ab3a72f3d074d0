"""A bias alone, for scores whose matrix is somebody else's.

Shapes: `B` batch, `T` positions, `D` features.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_selfattn")
class AddBias(keras.layers.Layer):
    """`x + b`, one learned number a feature.

    Behind products with a table of embeddings that is shared, as in BERT's
    head (Devlin et al. 2019, arXiv:1810.04805, and the code of it).

    Call arguments:
        inputs: float `(..., D)`.

    Returns:
        float `(..., D)`.

    Example:
        >>> AddBias()(np.zeros((2, 5))).shape
        (2, 5)
    """

    def build(self, input_shape):
        self.bias = self.add_weight(
            name="bias", shape=(input_shape[-1],), initializer="zeros"
        )

    def call(self, inputs):
        return ops.add(inputs, ops.cast(self.bias, inputs.dtype))

    def compute_output_shape(self, input_shape):
        return input_shape
