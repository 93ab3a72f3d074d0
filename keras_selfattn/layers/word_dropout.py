"""Dropout of whole tokens: some ids become the unknown token.

Shapes: `B` batch, `T` tokens.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_selfattn")
class WordDropout(keras.layers.Layer):
    """Replaces each real token by the unknown one with a fixed probability.

    Only in training. It keeps a text model from leaning on single words, and
    teaches it what an unknown word is. Padding (id 0) stays padding.

    Reference: Dai and Le 2015 (arXiv:1511.01432), section 2.4; Iyyer et al.
    2015 (ACL, P15-1162), section 3.1, who leave the tokens out instead.

    Args:
        rate: float in [0, 1), share of tokens that are replaced.
        unknown_id: int, the id they become. Default 1.
        seed: int, or None.

    Call arguments:
        inputs: int `(B, T)`, 0 = padding.
        training: bool.

    Returns:
        int `(B, T)`.

    Raises:
        ValueError: where the rate is out of range.

    Example:
        >>> WordDropout(0.5)(np.array([[5, 8, 2, 0]]), training=True)
    """

    def __init__(self, rate, unknown_id=1, seed=None, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= rate < 1:
            raise ValueError(f"rate={rate} must be at least 0 and below 1.")
        self.rate = rate
        self.unknown_id = unknown_id
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        drawn = keras.random.uniform(
            ops.shape(inputs), seed=self.seed_generator
        )  # (B, T)
        dropped = ops.logical_and(drawn < self.rate, inputs != 0)
        return ops.where(
            dropped, ops.full_like(inputs, self.unknown_id), inputs
        )

    def compute_output_spec(self, inputs, training=False):
        return keras.KerasTensor(inputs.shape, inputs.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "unknown_id": self.unknown_id,
            "seed": self.seed,
        }
