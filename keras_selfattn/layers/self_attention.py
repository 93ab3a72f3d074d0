"""Multi-head self-attention.

Shapes: `B` batch, `T` queries (= keys), `N` heads, `H` head dimension,
`D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.masks import (
    as_attention_mask,
    causal_mask,
    combine_masks,
)
from keras_selfattn.layers.positions import (
    apply_rotary,
    relative_shift,
    relative_sinusoids,
)

POSITIONS = (None, "rotary", "relative")


def masked_softmax(scores, mask=None):
    """Softmax over the last axis, where the mask is True.

    A row without any True comes out uniform: see `attendable`, which the
    caller multiplies in where it is cheapest.

    Args:
        scores: float `(B, N, T, S)`.
        mask: bool, broadcastable to the scores, or None.
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    if dtype == "float16":  # too narrow for -1e9 and the exponentials' sum
        scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, ops.cast(-1e9, scores.dtype))
    return ops.cast(ops.softmax(scores, axis=-1), dtype)


def attendable(mask, dtype):
    """1.0 where a query has any key, else 0.0: `(B|1, N|1, T|1, 1)`."""
    return ops.cast(ops.any(mask, axis=-1, keepdims=True), dtype)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class MultiHeadSelfAttention(keras.layers.Layer):
    """Every position looks at every other: `softmax(Q K' / sqrt(H)) V`.

    Masks are boolean, True = may be attended; `padding_mask`,
    `attention_mask` and the causal mask are combined by "and". A query with
    nothing to attend gets zeros (plus the output bias), never NaN.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; rotary
    positions: Su et al. 2021 (arXiv:2104.09864), section 3.2.2; relative
    positions: Dai et al. 2019 (arXiv:1901.02860), section 3.3.

    Args:
        num_heads: int >= 1; 1 is the single-head case.
        head_dim: int, features a head; default `D / num_heads`.
        positions: None, "rotary" or "relative" (Transformer-XL: sinusoids of
            the distance, projected, with two learned biases a head).
        dropout: float in [0, 1), on the attention weights.
        use_bias: bool, biases in the four projections.
        seed: int, seed of the dropout.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real token, or None.
        attention_mask: bool `(T, T)`, `(B, T, T)` or `(B, N, T, T)`, or None.
        use_causal_mask: bool, hide the future.
        return_attention_scores: bool, also return the weights after softmax.
        training: bool.

    Returns:
        float `(B, T, D)`; with `return_attention_scores` also float
        `(B, N, T, T)`.

    Raises:
        ValueError: where D does not divide by `num_heads` and no `head_dim`
            is given, for unknown `positions`, an odd `head_dim` with rotary
            positions, or a mask that is not boolean or of a wrong rank.

    Example:
        >>> layer = MultiHeadSelfAttention(num_heads=4, positions="rotary")
        >>> layer(np.zeros((2, 10, 64)), use_causal_mask=True).shape
        (2, 10, 64)
    """

    def __init__(
        self,
        num_heads,
        head_dim=None,
        positions=None,
        dropout=0.0,
        use_bias=True,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(num_heads, int) or num_heads < 1:
            raise ValueError(
                f"num_heads must be an int >= 1, received {num_heads!r}."
            )
        if positions not in POSITIONS:
            raise ValueError(
                f"positions={positions!r} is unknown; use one of {POSITIONS}."
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout={dropout} is outside [0, 1).")
        if positions == "rotary" and head_dim is not None and head_dim % 2:
            raise ValueError(
                f"Rotary positions need an even head_dim, received {head_dim}."
            )
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.positions = positions
        self.dropout = dropout
        self.use_bias = use_bias
        self.seed = seed

    def build(self, input_shape):
        dim = input_shape[-1]
        if self.head_dim is None and dim % self.num_heads:
            raise ValueError(
                f"The inputs' {dim} features do not divide by num_heads="
                f"{self.num_heads}; give head_dim or other num_heads."
            )
        self._head_dim = self.head_dim or dim // self.num_heads
        inner = self.num_heads * self._head_dim

        def dense(name, units, input_dim, use_bias=self.use_bias):
            layer = keras.layers.Dense(
                units, use_bias=use_bias, dtype=self.dtype_policy, name=name
            )
            layer.build((None, None, input_dim))
            return layer

        self.query = dense("query", inner, dim)
        self.key = dense("key", inner, dim)
        self.value = dense("value", inner, dim)
        self.output_projection = dense("output", dim, inner)
        if self.positions == "relative":
            self.position = dense("position", inner, dim, use_bias=False)
            shape = (self.num_heads, 1, self._head_dim)
            self.content_bias = self.add_weight(
                name="content_bias", shape=shape, initializer="zeros"
            )
            self.position_bias = self.add_weight(
                name="position_bias", shape=shape, initializer="zeros"
            )
        self.dropout_layer = keras.layers.Dropout(
            self.dropout,
            seed=self.seed,
            dtype=self.dtype_policy,
            name="dropout",
        )

    def _split_heads(self, x):
        shape = (ops.shape(x)[0], ops.shape(x)[1])
        x = ops.reshape(x, (*shape, self.num_heads, self._head_dim))
        return ops.transpose(x, (0, 2, 1, 3))  # (B, N, T, H)

    def _scores(self, query, key, dim):
        """Scores `(B, N, T, T)`; the scale goes on the smaller factor."""
        scale = self._head_dim**-0.5
        if self.positions == "rotary":
            query, key = apply_rotary(query), apply_rotary(key)
        transposed = ops.transpose(key, (0, 1, 3, 2))  # (B, N, H, T)
        if self.positions != "relative":
            return ops.matmul(query * scale, transposed)
        table = relative_sinusoids(ops.shape(query)[2], dim)  # (2T-1, D)
        table = self.position(
            ops.expand_dims(ops.cast(table, self.compute_dtype), 0)
        )
        distances = ops.transpose(self._split_heads(table), (0, 1, 3, 2))
        content = ops.matmul((query + self.content_bias) * scale, transposed)
        position = ops.matmul((query + self.position_bias) * scale, distances)
        return content + relative_shift(position)

    def call(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        training=False,
    ):
        query = self._split_heads(self.query(inputs))
        key = self._split_heads(self.key(inputs))
        value = self._split_heads(self.value(inputs))
        scores = self._scores(query, key, inputs.shape[-1])
        length = ops.shape(inputs)[1]
        mask = combine_masks(
            None
            if padding_mask is None
            else ops.expand_dims(ops.expand_dims(padding_mask, 1), 1),
            None
            if attention_mask is None
            else as_attention_mask(attention_mask),
            as_attention_mask(causal_mask(length)) if use_causal_mask else None,
        )
        weights = masked_softmax(scores, mask)  # (B, N, T, T)
        mixed = ops.matmul(
            self.dropout_layer(weights, training=training), value
        )
        if mask is not None:
            some = attendable(mask, mixed.dtype)
            mixed = mixed * some
        mixed = ops.transpose(mixed, (0, 2, 1, 3))  # (B, T, N, H)
        mixed = ops.reshape(
            mixed,
            (ops.shape(inputs)[0], length, self.num_heads * self._head_dim),
        )
        outputs = self.output_projection(mixed)
        if return_attention_scores:
            return outputs, weights if mask is None else weights * some
        return outputs

    def compute_output_spec(
        self, inputs, *args, return_attention_scores=False, **kwargs
    ):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        batch, length, _ = inputs.shape
        return outputs, keras.KerasTensor(
            (batch, self.num_heads, length, length), self.compute_dtype
        )

    def get_config(self):
        names = "num_heads head_dim positions dropout use_bias seed".split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
