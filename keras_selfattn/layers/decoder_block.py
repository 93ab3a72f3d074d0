"""The Transformer decoder block.

Shapes: `B` batch, `T` positions, `S` positions of the context, `N` heads,
`D` model dimension, `C` features of the context.
"""

import keras

from keras_selfattn.layers.attention_positions import positions_config
from keras_selfattn.layers.choose_attention import (
    attention_config,
    choose_attention,
    known_arguments,
)
from keras_selfattn.layers.cross_attention import MultiHeadCrossAttention
from keras_selfattn.layers.feed_forward import FeedForward
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.row_attention import attend_context, attend_own

# In the order in which they act; each has a norm and a dropout of its own.
PARTS = ("attention", "cross_attention", "feed_forward")


@keras.saving.register_keras_serializable(package="keras_selfattn")
class DecoderBlock(keras.layers.Layer):
    """Causal self-attention, attention to a context, and feed-forward.

    Each has a residual and a norm: pre-norm `x + f(norm(x))`, or post-norm
    `norm(x + f(x))`. Position `i` sees the positions up to `i`, and all of
    the context that is real.

    To decode token by token, make a cache of the context once, then give
    each call the cache that the last one returned:

        cache = {
            "self": empty_cache(batch, max_length, num_heads, head_dim),
            "context": block.cross_attention.context_cache(context),
        }
        outputs, cache = block(token, cache=cache, cache_index=i)

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.1.

    Args:
        num_heads: int, heads of both attentions.
        intermediate_dim: int, features inside the feed-forward network.
        activation: str, a Keras activation, or a gate such as "swiglu"; see
            FeedForward.
        positions: None, "rotary", "relative", ..., of the self-attention.
        dropout: float in [0, 1), on every residual branch.
        inner_dropout: float in [0, 1), on the attention weights and inside
            the feed-forward network (costly: large tensors).
        norm_first: bool, pre-norm (True) or post-norm.
        seed: int, seed of the dropouts.
        attention: None (full), or another self-attention that can hide the
            future, as `{"kind": "local", "window": 64}`; see
            `choose_attention`.
        norm: "layer", "rms" or a dict; see `make_norm`.
        use_bias: bool, biases in the attentions' projections and in the
            feed-forward network.
        cross_attention: dict of further arguments of the attention to the
            context, such as "head_dim", or None.

    Call arguments:
        inputs: float `(B, T, D)`.
        context: float `(B, S, C)`, or None with a cache.
        padding_mask: bool `(B, T)`, True = real, or None; with a cache as
            the self-attention has it.
        context_padding_mask: bool `(B, S)`, True = real, or None.
        cache: dict of "self" and "context", see above, or None.
        cache_index: int or int scalar tensor, tokens in the cache so far.
        return_attention_scores: bool, also return the weights of the
            attention to the context.
        attention_bias: float, of the self-attention, see there; or None.
        training: bool.

    Returns:
        float `(B, T, D)`; with `return_attention_scores` then float
        `(B, N, T, S)`; with a cache then the updated cache.

    Raises:
        ValueError: as its parts do; for a cache without "self" and
            "context".

    Example:
        >>> block = DecoderBlock(4, 128)
        >>> block(np.zeros((2, 5, 64)), np.zeros((2, 9, 32))).shape
        (2, 5, 64)
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        activation="gelu",
        positions=None,
        dropout=0.0,
        inner_dropout=0.0,
        norm_first=True,
        seed=0,
        attention=None,
        norm="layer",
        use_bias=True,
        cross_attention=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.positions = positions
        self.dropout = dropout
        self.inner_dropout = inner_dropout
        self.norm_first = norm_first
        self.seed = seed
        self.norm = norm
        self.use_bias = use_bias
        policy = {"dtype": self.dtype_policy}
        self._attention_config = attention_config(attention)
        self.attention = choose_attention(
            attention,
            num_heads,
            positions,
            inner_dropout,
            seed,
            use_bias=use_bias,
            **policy,
        )
        self._cross_config = dict(cross_attention or {})
        self.cross_attention = MultiHeadCrossAttention(
            num_heads,
            name="cross_attention",
            **policy,
            **{
                "dropout": inner_dropout,
                "seed": seed + 1,
                "use_bias": use_bias,
                **self._cross_config,
            },
        )
        self.feed_forward = FeedForward(
            intermediate_dim,
            activation,
            inner_dropout,
            seed + 2,
            use_bias,
            name="feed_forward",
            **policy,
        )
        for i, part in enumerate(PARTS):
            drop = keras.layers.Dropout(
                dropout, seed=seed + 3 + i, name=f"{part}_dropout", **policy
            )
            setattr(
                self, f"{part}_norm", make_norm(norm, f"{part}_norm", **policy)
            )
            setattr(self, f"{part}_dropout", drop)

    def build(self, inputs_shape, context_shape=None):
        self.cross_attention.build(inputs_shape, context_shape)
        for layer in (
            self.attention,
            self.feed_forward,
            *(getattr(self, f"{part}_norm") for part in PARTS),
        ):
            layer.build(inputs_shape)

    def call(
        self,
        inputs,
        context=None,
        padding_mask=None,
        context_padding_mask=None,
        cache=None,
        cache_index=None,
        return_attention_scores=False,
        attention_bias=None,
        training=False,
    ):
        kept = {"self": None, "context": None}
        scores = []
        if cache is not None:
            kept = _two_caches(cache)
        to_self = known_arguments(
            self.attention,
            padding_mask=padding_mask,
            attention_bias=attention_bias,
            use_causal_mask=True,
            cache=kept["self"],
            cache_index=cache_index,
        )

        def attend(x):
            x = self.attention(x, training=training, **to_self)
            if cache is None:
                return x
            x, kept["self"] = x
            return x

        def attend_context(x):
            x = self.cross_attention(
                x,
                context,
                context_padding_mask=context_padding_mask,
                cache=kept["context"],
                return_attention_scores=return_attention_scores,
                training=training,
            )
            if not return_attention_scores:
                return x
            x, weights = x
            scores.append(weights)
            return x

        def feed(x):
            return self.feed_forward(x, training=training)

        x = inputs
        for part, branch in zip(PARTS, (attend, attend_context, feed)):
            norm = getattr(self, f"{part}_norm")
            drop = getattr(self, f"{part}_dropout")
            if self.norm_first:
                x = x + drop(branch(norm(x)), training=training)
            else:
                x = norm(x + drop(branch(x), training=training))
        results = (x, *scores) if cache is None else (x, *scores, kept)
        return results if len(results) > 1 else x

    def continue_rows(self, x, rows, cache, position, seen, source_bias):
        """One token of each of several texts that go on from one source.

        Args:
            x: float `(B K, D)`.
            rows: int, `K`, texts of each source.
            cache: dict of "self" (of `K` places a token) and "context".
            position: see `row_attention.attend_own`.
            seen: likewise.
            source_bias: see `row_attention.attend_context`.

        Returns:
            float `(B K, D)`, and the updated cache of "self".
        """
        kept = {}

        def attend(x):
            x, kept["self"] = attend_own(
                self.attention, x, rows, cache["self"], position, seen
            )
            return x

        def attend_source(x):
            return attend_context(
                self.cross_attention, x, rows, cache["context"], source_bias
            )

        for part, branch in zip(
            PARTS, (attend, attend_source, self.feed_forward), strict=True
        ):
            norm = getattr(self, f"{part}_norm")
            if self.norm_first:
                x = x + branch(norm(x))
            else:
                x = norm(x + branch(x))
        return x, kept["self"]

    def compute_output_spec(
        self,
        inputs,
        context=None,
        *args,
        cache=None,
        return_attention_scores=False,
        **kwargs,
    ):
        results = (keras.KerasTensor(inputs.shape, self.compute_dtype),)
        if return_attention_scores:
            _, scores = self.cross_attention.compute_output_spec(
                inputs,
                context,
                cache=None if cache is None else cache["context"],
                return_attention_scores=True,
            )
            results += (scores,)
        if cache is not None:
            results += (
                keras.tree.map_structure(
                    lambda kept: keras.KerasTensor(kept.shape, kept.dtype),
                    cache,
                ),
            )
        return results if len(results) > 1 else results[0]

    def get_config(self):
        names = (
            "num_heads intermediate_dim activation dropout inner_dropout "
            "norm_first seed norm use_bias"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "positions": positions_config(self.positions),
            "attention": self._attention_config,
            "cross_attention": self._cross_config or None,
        }


def _two_caches(cache):
    """A copy of the cache; a ValueError where it is not one of this block."""
    if not isinstance(cache, dict) or set(cache) != {"self", "context"}:
        found = sorted(cache) if isinstance(cache, dict) else type(cache)
        raise ValueError(
            f"The cache has {found}; expected a dict of 'self' (empty_cache) "
            "and 'context' (block.cross_attention.context_cache(context))."
        )
    return dict(cache)


def continue_stack(
    blocks,
    inputs,
    cache_index,
    caches,
    context,
    context_padding_mask,
    attention_bias=None,
):
    """The outputs of tokens that come after those in the caches of a stack.

    Args:
        blocks: list of DecoderBlock.
        inputs: float `(B, T, D)`.
        cache_index: int or int scalar tensor, tokens so far.
        caches: list of the blocks' own caches; see `empty_caches`.
        context: list of their caches of the context.
        context_padding_mask: bool `(B, S)`.
        attention_bias: of all blocks' self-attention, or None.

    Returns:
        float `(B, T, D)` and the list of updated own caches.
    """
    x, updated = inputs, []
    for block, own, other in zip(blocks, caches, context, strict=True):
        x, cache = block(
            x,
            context_padding_mask=context_padding_mask,
            cache={"self": own, "context": other},
            cache_index=cache_index,
            attention_bias=attention_bias,
        )
        updated.append(cache["self"])
    return x, updated


def continue_rows_of_stack(
    blocks, inputs, rows, caches, context, position, seen, source_bias=None
):
    """`continue_stack` for several texts of each source.

    Args:
        blocks: list of DecoderBlock.
        inputs: float `(B K, D)`, a token of each text.
        rows: int, `K`.
        caches, context: see `continue_stack`.
        position: int scalar tensor, tokens before these.
        seen: float `(B, 1, K, L K)`; see `row_attention.attend_own`.
        source_bias: float `(B, 1, 1, S)`, added to the scores, or None.

    Returns:
        float `(B K, D)` and the list of updated own caches.
    """
    x, updated = inputs, []
    for block, own, other in zip(blocks, caches, context, strict=True):
        cache = {"self": own, "context": other}
        x, own = block.continue_rows(
            x, rows, cache, position, seen, source_bias
        )
        updated.append(own)
    return x, updated


def context_caches_of_stack(blocks, context):
    """Keys and values of a context `(B, S, C)`, one cache a block."""
    return [block.cross_attention.context_cache(context) for block in blocks]
