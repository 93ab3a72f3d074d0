"""Normalisation of the features of one position.

Shapes: `B` batch, `T` positions, `D` model dimension.
"""

import keras
from keras import ops

NORMS = ("layer", "rms")


@keras.saving.register_keras_serializable(package="keras_selfattn")
class RMSNorm(keras.layers.Layer):
    """`gamma x / sqrt(mean(x^2) + epsilon)`: scaled, not centred.

    Cheaper than a layer norm (no mean to subtract, no shift to learn) and as
    good in most Transformers. Computed in float32 whatever the policy: the
    square of a float16 overflows at 256.

    Reference: Zhang and Sennrich 2019 (arXiv:1910.07467), section 4, equation
    4; differs: epsilon under the root.

    Args:
        epsilon: float > 0, keeps a position of zeros from dividing by zero.

    Call arguments:
        inputs: float `(..., D)`.

    Returns:
        float `(..., D)`.

    Raises:
        ValueError: where `epsilon` is not positive.

    Example:
        >>> RMSNorm()(np.ones((1, 2, 8)))[0, 0, 0]
        0.9999995
    """

    def __init__(self, epsilon=1e-6, **kwargs):
        super().__init__(**kwargs)
        if not epsilon > 0:
            raise ValueError(
                f"epsilon must be positive, received {epsilon!r}; 1e-6 is "
                "usual."
            )
        self.epsilon = epsilon

    def build(self, input_shape):
        self.gamma = self.add_weight(
            name="gamma", shape=(input_shape[-1],), initializer="ones"
        )

    def call(self, inputs):
        x = ops.cast(inputs, "float32")
        mean_square = ops.mean(ops.square(x), axis=-1, keepdims=True)
        x = x * ops.rsqrt(mean_square + self.epsilon)
        return ops.cast(x * ops.cast(self.gamma, "float32"), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}


def make_norm(norm, name, dtype=None):
    """Returns the normalisation layer that a block's `norm` argument names.

    Args:
        norm: "layer" (LayerNormalization, epsilon 1e-5), "rms" (RMSNorm), or
            a dict of "kind" and arguments of that layer: `{"kind": "layer",
            "epsilon": 1e-12}`, `{"kind": "layer", "center": False}`.
        name: str, the layer's name.
        dtype: dtype policy of the layer.

    Raises:
        ValueError: for another norm, or arguments that it does not take.
    """
    arguments = dict(norm) if isinstance(norm, dict) else {"kind": norm}
    kind = arguments.pop("kind", None)
    if kind not in NORMS:
        raise ValueError(
            f"norm={norm!r} is unknown; use one of {NORMS}, or a dict such as "
            "{'kind': 'layer', 'epsilon': 1e-6}."
        )
    try:
        if kind == "rms":
            return RMSNorm(name=name, dtype=dtype, **arguments)
        return keras.layers.LayerNormalization(
            name=name, dtype=dtype, **{"epsilon": 1e-5, **arguments}
        )
    except (TypeError, ValueError) as error:
        raise ValueError(f"norm={norm!r}: {error}") from error
