"""Multi-head self-attention.

Shapes: `B` batch, `T` queries, `S` keys (`T`, or the places of a cache), `N`
heads, `K` key/value heads, `H` head dimension, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_cache import (
    check_cache,
    filled_mask,
    update_cache,
)
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
from keras_selfattn.layers.masks import (
    as_attention_mask,
    causal_mask,
    combine_masks,
)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class MultiHeadSelfAttention(keras.layers.Layer):
    """Every position looks at every other: `softmax(Q K' / sqrt(H)) V`.

    Masks are boolean, True = may be attended; `padding_mask`,
    `attention_mask` and the causal mask are combined by "and". A query with
    nothing to attend gets zeros (plus the output bias), never NaN. Where a
    fused kernel gives the same answer, it does the work; scores, a soft cap
    and dropout are computed step by step.

    For decoding, `empty_cache` (see `attention_cache`) holds the keys and
    values of earlier calls: each call adds its own from `cache_index` on and
    attends all that is filled.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; fewer
    key/value heads: Shazeer 2019 (arXiv:1911.02150), Ainslie et al. 2023
    (arXiv:2305.13245); positions: see `attention_positions`.

    Args:
        num_heads: int >= 1; 1 is the single-head case.
        head_dim: int, features a head; default `D / num_heads`.
        positions: None, "rotary", "relative" (Transformer-XL), "alibi",
            "t5", or an object of `attention_positions`.
        dropout: float in [0, 1), on the attention weights.
        use_bias: bool, biases in the four projections.
        seed: int, seed of the dropout.
        num_key_value_heads: int that divides `num_heads`; default as many.
            Fewer is grouped-query, 1 is multi-query attention.
        soft_cap: float > 0, scores become `cap tanh(scores / cap)`; None for
            no cap.
        scale: float > 0, what scores are multiplied by; default `H ** -0.5`.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real token, or None; with a cache
            `(B, S)`, over its places.
        attention_mask: bool `(T, S)`, `(B, T, S)` or `(B, N, T, S)`, or None.
        attention_bias: finite float of such a shape, added to the scores, or
            None.
        use_causal_mask: bool, hide the future.
        cache: dict of `(B, K, S, H)` under "key" and "value", or None.
        cache_index: int or int scalar tensor, tokens in the cache so far.
        return_attention_scores: bool, also return the weights after softmax.
        training: bool.

    Returns:
        float `(B, T, D)`; with `return_attention_scores` then float
        `(B, N, T, S)`; with a cache then the updated cache.

    Raises:
        ValueError: where D does not divide by `num_heads` and no `head_dim`
            is given, where `num_heads` does not divide by
            `num_key_value_heads`, for unknown `positions`, an odd `head_dim`
            with rotary positions, a mask or bias of a wrong dtype or rank,
            or a cache that is full, misshapen or without `cache_index`.

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

    def build(self, input_shape):
        dim = input_shape[-1]
        self._head_dim = head_size(dim, self.num_heads, self.head_dim)
        self._scale = self.scale or self._head_dim**-0.5
        self._num_pairs = self.num_key_value_heads or self.num_heads
        add_projections(
            self,
            dim,
            self.num_heads * self._head_dim,
            self._num_pairs * self._head_dim,
        )
        build_positions(self, self.num_heads, self._head_dim, dim)

    def _placed(self, query, key, offset):
        """Query and key with their positions in them."""
        if self._part is None:
            return query, key
        return self._part.turn(query, offset), self._part.turn(key, offset)

    def _mask(self, length, padding_mask, attention_mask, cached, causal):
        """All masks in one, `(B|1, N|1, T|1, S)`, or None."""
        if cached is not None:
            cache, cache_index = cached
            num_places = ops.shape(cache["key"])[2]
            causal = (
                causal_mask(length, num_places, cache_index)
                if causal
                else filled_mask(cache, length, cache_index)
            )
        return combine_masks(
            None if padding_mask is None else keys_mask(padding_mask),
            None
            if attention_mask is None
            else as_attention_mask(attention_mask),
            None if cached is None else as_attention_mask(causal),
        )

    def call(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        attention_bias=None,
        use_causal_mask=False,
        cache=None,
        cache_index=None,
        return_attention_scores=False,
        training=False,
    ):
        cached, offset = None, 0
        if cache is not None:
            if cache_index is None:
                raise ValueError(
                    "A cache came without cache_index; give the number of "
                    "tokens that are already in it (0 at first)."
                )
            check_cache(cache, self._num_pairs, self._head_dim)
            cached, offset = (cache, cache_index), cache_index
        query = split_heads(self.query(inputs), self.num_heads)
        key = split_heads(self.key(inputs), self._num_pairs)
        value = split_heads(self.value(inputs), self._num_pairs)
        query, key = self._placed(query, key, offset)
        if cache is not None:
            cache = update_cache(cache, key, value, cache_index)
            key, value = (
                ops.cast(cache[name], query.dtype) for name in ("key", "value")
            )
        scale = self._scale
        bias = None if attention_bias is None else score_bias(attention_bias)
        if self._part is not None:
            query, by_position = self._part.bias(
                self, query, ops.shape(key)[2], scale, offset
            )
            bias = add_biases(by_position, bias)
        outputs = attend(
            query,
            key,
            value,
            mask=self._mask(
                ops.shape(inputs)[1],
                padding_mask,
                attention_mask,
                cached,
                use_causal_mask,
            ),
            bias=bias,
            soft_cap=self.soft_cap,
            dropout=self.dropout_layer,
            scale=scale,
            return_scores=return_attention_scores,
            training=training,
            causal=use_causal_mask and cache is None,
        )
        outputs = outputs if return_attention_scores else (outputs,)
        results = (self.output_projection(merge_heads(outputs[0])),)
        results += tuple(outputs[1:])
        if cache is not None:
            results += (cache,)
        return results if len(results) > 1 else results[0]

    def compute_output_spec(
        self,
        inputs,
        *args,
        cache=None,
        return_attention_scores=False,
        **kwargs,
    ):
        results = (keras.KerasTensor(inputs.shape, self.compute_dtype),)
        batch, length, _ = inputs.shape
        if return_attention_scores:
            keys = length if cache is None else cache["key"].shape[2]
            shape = (batch, self.num_heads, length, keys)
            results += (keras.KerasTensor(shape, self.compute_dtype),)
        if cache is not None:
            results += (
                {
                    name: keras.KerasTensor(
                        cache[name].shape, cache[name].dtype
                    )
                    for name in ("key", "value")
                },
            )
        return results if len(results) > 1 else results[0]

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
