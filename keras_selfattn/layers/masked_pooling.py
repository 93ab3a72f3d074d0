"""Mean, maximum or scaled sum of a sequence over its real positions.

Shapes: `B` batch, `T` positions, `D` model dimension.
"""

import keras
from keras import ops

KINDS = ("mean", "max", "sqrt")


@keras.saving.register_keras_serializable(package="keras_selfattn")
class MaskedPooling(keras.layers.Layer):
    """One vector a sequence: `mean_t x_t` or `max_t x_t` where it is real.

    "sqrt" is the sum over the root of the count: evidence adds up with the
    length, and independent noise keeps its size.

    Padding changes nothing; a sequence without a real position gives zeros.
    Keras's own global pooling takes a mask for the mean only.

    Args:
        kind: "mean", "max" or "sqrt".

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real, or None.

    Returns:
        float `(B, D)`.

    Raises:
        ValueError: for another kind.

    Example:
        >>> MaskedPooling("max")(np.zeros((2, 10, 64))).shape
        (2, 64)
    """

    def __init__(self, kind="mean", **kwargs):
        super().__init__(**kwargs)
        if kind not in KINDS:
            raise ValueError(f"kind={kind!r} is unknown; use one of {KINDS}.")
        self.kind = kind
        # A recurrent encoder marks its outputs with a mask of its own.
        self.supports_masking = True

    def compute_mask(self, inputs, previous_mask=None):
        return None  # no position is left that could be padding

    def call(self, inputs, padding_mask=None):
        if padding_mask is None:
            padding_mask = ops.ones_like(inputs[..., 0], dtype="bool")
        keep = ops.expand_dims(ops.cast(padding_mask, "bool"), -1)  # (B, T, 1)
        if self.kind != "max":
            count = ops.sum(ops.cast(keep, inputs.dtype), axis=1)  # (B, 1)
            count = ops.maximum(count, 1)
            kept = ops.where(keep, inputs, ops.zeros_like(inputs))
            total = ops.sum(kept, axis=1)  # (B, D)
            return total / (count if self.kind == "mean" else ops.sqrt(count))
        lowest = -1e9 if self.compute_dtype != "float16" else -6e4
        kept = ops.where(keep, inputs, ops.full_like(inputs, lowest))
        pooled = ops.max(kept, axis=1)  # (B, D)
        return ops.where(ops.any(keep, axis=1), pooled, ops.zeros_like(pooled))

    def compute_output_spec(self, inputs, padding_mask=None):
        batch, _, dim = inputs.shape
        return keras.KerasTensor((batch, dim), self.compute_dtype)

    def get_config(self):
        return {**super().get_config(), "kind": self.kind}
