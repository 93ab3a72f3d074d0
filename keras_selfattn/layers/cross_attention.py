"""Multi-head cross-attention.

Shapes: `B` batch, `T` queries, `S` keys of the context, `N` heads, `K`
key/value heads, `H` head dimension, `D` model dimension, `C` features of the
context.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_cache import check_cache
from keras_selfattn.layers.attention_core import (
    add_biases,
    add_projections,
    attend,
    check_heads,
    check_rates,
    head_size,
    keys_mask,
    merge_heads,
    score_bias,
    split_heads,
)
from keras_selfattn.layers.attention_positions import (
    build_positions,
    positions_config,
    take_positions,
)
from keras_selfattn.layers.masks import as_attention_mask, combine_masks


@keras.saving.register_keras_serializable(package="keras_selfattn")
class MultiHeadCrossAttention(keras.layers.Layer):
    """Every position looks at all of a context: keys and values from there.

    As `MultiHeadSelfAttention`, with keys and values made of the context: an
    encoder's output, for one. In a loop of decoding, `context_cache` makes
    them once, and `cache` takes them in place of the context.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.3.

    Args:
        num_heads: int >= 1.
        head_dim: int, features a head; default `D / num_heads`.
        positions: None (the usual), or as in MultiHeadSelfAttention; query
            `i` stands at `i + query_offset`, the context's token `j` at `j`.
        dropout: float in [0, 1), on the attention weights.
        use_bias: bool, biases in the four projections.
        seed: int, seed of the dropout.
        num_key_value_heads: int that divides `num_heads`; default as many.
        soft_cap: float > 0, scores become `cap tanh(scores / cap)`; None for
            no cap.
        scale: float > 0, what scores are multiplied by; default `H ** -0.5`.

    Call arguments:
        inputs: float `(B, T, D)`.
        context: float `(B, S, C)`; None with a cache.
        context_padding_mask: bool `(B, S)`, True = real token, or None.
        attention_mask: bool `(T, S)`, `(B, T, S)` or `(B, N, T, S)`, or None.
        attention_bias: finite float of such a shape, added to the scores, or
            None.
        cache: dict that `context_cache(context)` has made, or None.
        query_offset: int or int scalar tensor, position of the first query;
            of use with `positions` only.
        return_attention_scores: bool, also return the weights after softmax.
        training: bool.

    Returns:
        float `(B, T, D)`; with `return_attention_scores` also float
        `(B, N, T, S)`.

    Raises:
        ValueError: as MultiHeadSelfAttention, and where both or neither of
            context and cache are given.

    Example:
        >>> layer = MultiHeadCrossAttention(num_heads=4)
        >>> layer(np.zeros((2, 5, 64)), np.zeros((2, 9, 32))).shape
        (2, 5, 64)
    """

    def __init__(
        self,
        num_heads,
        head_dim=None,
        positions=None,
        dropout=0.0,
        use_bias=True,
        seed=0,
        num_key_value_heads=None,
        soft_cap=None,
        scale=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(num_heads, head_dim, num_key_value_heads)
        check_rates(dropout, soft_cap, scale)
        take_positions(self, positions, head_dim)
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.dropout = dropout
        self.use_bias = use_bias
        self.seed = seed
        self.num_key_value_heads = num_key_value_heads
        self.soft_cap = soft_cap
        self.scale = scale

    def build(self, inputs_shape, context_shape=None):
        if context_shape is None:
            raise ValueError(
                "The first call needs the context, whose features shape the "
                "weights; received a cache only. Call the layer with a "
                "context, or build(inputs_shape, context_shape), first."
            )
        dim, context_dim = inputs_shape[-1], context_shape[-1]
        self._head_dim = head_size(dim, self.num_heads, self.head_dim)
        self._scale = self.scale or self._head_dim**-0.5
        self._num_pairs = self.num_key_value_heads or self.num_heads
        add_projections(
            self,
            dim,
            self.num_heads * self._head_dim,
            self._num_pairs * self._head_dim,
            context_dim,
        )
        build_positions(self, self.num_heads, self._head_dim, dim)

    def context_cache(self, context):
        """Keys and values of a context, to be used in many calls.

        Args:
            context: float `(B, S, C)`.

        Returns:
            dict of float `(B, K, S, H)` under "key" and "value".
        """
        if not self.built:
            raise ValueError(
                "The layer is not built; call it with a context, or "
                "build(inputs_shape, context_shape), before context_cache."
            )
        key = split_heads(self.key(context), self._num_pairs)
        if self._part is not None:
            key = self._part.turn(key)
        value = split_heads(self.value(context), self._num_pairs)
        return {"key": key, "value": value}

    def call(
        self,
        inputs,
        context=None,
        context_padding_mask=None,
        attention_mask=None,
        attention_bias=None,
        cache=None,
        query_offset=0,
        return_attention_scores=False,
        training=False,
    ):
        if (context is None) == (cache is None):
            raise ValueError(
                "Expected a context or a cache made of one (context_cache), "
                f"received {'neither' if context is None else 'both'}."
            )
        if cache is None:
            cache = self.context_cache(context)
        else:
            check_cache(cache, self._num_pairs, self._head_dim)
        query = split_heads(self.query(inputs), self.num_heads)
        key, value = (
            ops.cast(cache[name], query.dtype) for name in ("key", "value")
        )
        scale = self._scale
        bias = None if attention_bias is None else score_bias(attention_bias)
        if self._part is not None:
            query, by_position = self._part.bias(
                self,
                self._part.turn(query, query_offset),
                ops.shape(key)[2],
                scale,
                query_offset,
            )
            bias = add_biases(by_position, bias)
        outputs = attend(
            query,
            key,
            value,
            mask=combine_masks(
                None
                if context_padding_mask is None
                else keys_mask(context_padding_mask, "context_padding_mask"),
                None
                if attention_mask is None
                else as_attention_mask(attention_mask),
            ),
            bias=bias,
            soft_cap=self.soft_cap,
            dropout=self.dropout_layer,
            scale=scale,
            return_scores=return_attention_scores,
            training=training,
        )
        if return_attention_scores:
            outputs, scores = outputs
            return self.output_projection(merge_heads(outputs)), scores
        return self.output_projection(merge_heads(outputs))

    def compute_output_spec(
        self,
        inputs,
        context=None,
        *args,
        cache=None,
        return_attention_scores=False,
        **kwargs,
    ):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        batch, length, _ = inputs.shape
        keys = context.shape[1] if cache is None else cache["key"].shape[2]
        return outputs, keras.KerasTensor(
            (batch, self.num_heads, length, keys), self.compute_dtype
        )

    def get_config(self):
        names = (
            "num_heads head_dim dropout use_bias seed num_key_value_heads "
            "soft_cap scale"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "positions": positions_config(self.positions),
        }
