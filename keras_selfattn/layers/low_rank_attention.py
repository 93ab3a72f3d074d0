"""Self-attention to a fixed number of mixtures of positions (Linformer).

Shapes: `B` batch, `T` positions, `R` rank, `L` longest sequence, `N` heads,
`H` head dimension, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_core import (
    add_projections,
    attend,
    check_heads,
    check_rates,
    head_size,
    keys_mask,
    merge_heads,
    split_heads,
)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class LowRankSelfAttention(keras.layers.Layer):
    """Keys and values mixed along time: `softmax(Q (E'K)' / sqrt(H)) F'V`.

    `E` and `F`, learned, `(L, R)`, mix the T keys and values into R each, so
    the cost is `T R` and not `T^2`. A shorter sequence uses the first T rows.
    Padding is zeroed before it is mixed. As every mixture contains the whole
    sequence, the future cannot be hidden: for causal models there is
    `LocalSelfAttention`.

    Reference: Wang et al. 2020 (arXiv:2006.04768), section 4; E and F shared
    by the heads, as in its "headwise" sharing. Differs: they begin with the
    variance 1/L in place of 1/R, which keeps the scores' size at any length.

    Args:
        num_heads: int >= 1.
        rank: int >= 1, mixtures; 128 or 256 do for lengths in thousands.
        max_sequence_length: int, positions there are rows for.
        head_dim: int, features a head; default `D / num_heads`.
        share_projections: bool, one matrix for keys and values ("key-value"
            sharing).
        dropout: float in [0, 1), on the attention weights.
        use_bias: bool, biases in the four projections.
        seed: int, seed of the dropout.

    Call arguments:
        inputs: float `(B, T, D)`, `T <= max_sequence_length`.
        padding_mask: bool `(B, T)`, True = real token, or None.
        use_causal_mask: bool; True is refused.
        return_attention_scores: bool, also return the weights after softmax.
        training: bool.

    Returns:
        float `(B, T, D)`; with `return_attention_scores` also float
        `(B, N, T, R)`.

    Raises:
        ValueError: for a causal mask, a sequence longer than
            `max_sequence_length`, a rank that is not a positive int, and as
            MultiHeadSelfAttention.

    Example:
        >>> layer = LowRankSelfAttention(4, rank=32, max_sequence_length=512)
        >>> layer(np.zeros((2, 100, 64))).shape
        (2, 100, 64)
    """

    def __init__(
        self,
        num_heads,
        rank,
        max_sequence_length,
        head_dim=None,
        share_projections=False,
        dropout=0.0,
        use_bias=True,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(num_heads, head_dim)
        check_rates(dropout)
        for name, number in (
            ("rank", rank),
            ("max_sequence_length", max_sequence_length),
        ):
            if not isinstance(number, int) or number < 1:
                raise ValueError(
                    f"{name} must be a positive int, received {number!r}."
                )
        self.num_heads = num_heads
        self.rank = rank
        self.max_sequence_length = max_sequence_length
        self.head_dim = head_dim
        self.share_projections = share_projections
        self.dropout = dropout
        self.use_bias = use_bias
        self.seed = seed

    def build(self, input_shape):
        dim = input_shape[-1]
        inner = self.num_heads * head_size(dim, self.num_heads, self.head_dim)
        add_projections(self, dim, inner)

        def mixture(name):
            return self.add_weight(
                name=name,
                shape=(self.max_sequence_length, self.rank),
                initializer=keras.initializers.RandomNormal(
                    stddev=self.max_sequence_length**-0.5
                ),
            )

        self.key_mixture = mixture("key_mixture")
        if not self.share_projections:
            self.value_mixture = mixture("value_mixture")

    def call(
        self,
        inputs,
        padding_mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        training=False,
    ):
        if use_causal_mask:
            raise ValueError(
                "LowRankSelfAttention mixes all positions, later ones too, "
                "into its keys and values, so use_causal_mask=True cannot be "
                "honoured; use MultiHeadSelfAttention or LocalSelfAttention."
            )
        length = inputs.shape[1]
        if length is not None and length > self.max_sequence_length:
            raise ValueError(
                f"A sequence of {length} positions came, but the layer has "
                f"max_sequence_length={self.max_sequence_length}; cut the "
                "input or build the layer with more."
            )
        key, value = self.key(inputs), self.value(inputs)  # (B, T, N H)
        if padding_mask is not None:
            keys_mask(padding_mask)  # refuses other dtypes and ranks
            keep = ops.expand_dims(padding_mask, -1)
            key = ops.where(keep, key, ops.zeros_like(key))
            value = ops.where(keep, value, ops.zeros_like(value))
        length = ops.shape(inputs)[1]
        key = _mix(self.key_mixture, key, length)  # (B, R, N H)
        value = _mix(
            self.key_mixture if self.share_projections else self.value_mixture,
            value,
            length,
        )
        outputs = attend(
            split_heads(self.query(inputs), self.num_heads),
            split_heads(key, self.num_heads),
            split_heads(value, self.num_heads),
            dropout=self.dropout_layer,
            return_scores=return_attention_scores,
            training=training,
        )
        if return_attention_scores:
            outputs, scores = outputs
            return self.output_projection(merge_heads(outputs)), scores
        return self.output_projection(merge_heads(outputs))

    def compute_output_spec(
        self, inputs, *args, return_attention_scores=False, **kwargs
    ):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        batch, length, _ = inputs.shape
        return outputs, keras.KerasTensor(
            (batch, self.num_heads, length, self.rank), self.compute_dtype
        )

    def get_config(self):
        names = (
            "num_heads rank max_sequence_length head_dim share_projections "
            "dropout use_bias seed"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }


def _mix(mixture, x, length):
    """`(L, R)` and `(B, T, F)` -> `(B, R, F)`."""
    rows = ops.cast(ops.convert_to_tensor(mixture), x.dtype)[:length]
    return ops.matmul(ops.transpose(rows), x)
