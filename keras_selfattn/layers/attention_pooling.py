"""Attention that pools a sequence into one vector.

Shapes: `B` batch, `T` positions, `D` model dimension, `A` attention dimension.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_selfattn")
class AttentionPooling(keras.layers.Layer):
    """A weighted mean of a sequence: `sum_t a_t x_t`.

    `a = softmax(c' tanh(W x_t + b))` over the real positions; `c` is a learned
    context vector, the question "which position matters?". A sequence without
    a real position gives zeros.

    Reference: Yang et al. 2016 (NAACL, N16-1174), section 2.2, equations 5-7.

    Args:
        attention_dim: int, features `A` in which positions are judged;
            default: those of the inputs.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real, or None.
        return_attention_scores: bool, also return the weights.

    Returns:
        float `(B, D)`; with `return_attention_scores` also float `(B, T)`.

    Raises:
        ValueError: where `attention_dim` is not a positive int.

    Example:
        >>> AttentionPooling()(np.zeros((2, 10, 64))).shape
        (2, 64)
    """

    def __init__(self, attention_dim=None, **kwargs):
        super().__init__(**kwargs)
        if attention_dim is not None and (
            not isinstance(attention_dim, int) or attention_dim < 1
        ):
            raise ValueError(
                "attention_dim must be a positive int, or None for that of "
                f"the inputs; received {attention_dim!r}."
            )
        self.attention_dim = attention_dim
        # A recurrent encoder marks its outputs with a mask of its own.
        self.supports_masking = True

    def compute_mask(self, inputs, previous_mask=None):
        return None  # no position is left that could be padding

    def build(self, input_shape):
        dim = self.attention_dim or input_shape[-1]
        self.projection = keras.layers.Dense(
            dim,
            activation="tanh",
            dtype=self.dtype_policy,
            name="projection",
        )
        self.projection.build(input_shape)
        self.context = self.add_weight(
            name="context", shape=(dim, 1), initializer="glorot_uniform"
        )

    def call(self, inputs, padding_mask=None, return_attention_scores=False):
        scores = ops.matmul(self.projection(inputs), self.context)
        scores = ops.cast(scores, "float32")  # (B, T, 1)
        if padding_mask is None:
            weights = ops.softmax(scores, axis=1)
        else:
            keep = ops.expand_dims(ops.cast(padding_mask, "bool"), -1)
            scores = ops.where(keep, scores, ops.full_like(scores, -1e9))
            weights = ops.softmax(scores, axis=1)
            weights = ops.where(keep, weights, ops.zeros_like(weights))
        weights = ops.cast(weights, inputs.dtype)
        # (B, 1, T) x (B, T, D)
        pooled = ops.matmul(ops.transpose(weights, (0, 2, 1)), inputs)
        pooled = ops.squeeze(pooled, axis=1)
        if return_attention_scores:
            return pooled, ops.squeeze(weights, axis=-1)
        return pooled

    def compute_output_spec(
        self, inputs, padding_mask=None, return_attention_scores=False
    ):
        batch, length, dim = inputs.shape
        pooled = keras.KerasTensor((batch, dim), self.compute_dtype)
        if not return_attention_scores:
            return pooled
        return pooled, keras.KerasTensor((batch, length), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "attention_dim": self.attention_dim}
