"""The Transformer encoder block.

Shapes: `B` batch, `T` positions, `N` heads, `D` model dimension.
"""

import keras

from keras_selfattn.layers.attention_positions import positions_config
from keras_selfattn.layers.choose_attention import (
    attention_config,
    choose_attention,
    known_arguments,
)
from keras_selfattn.layers.chunk_attention import attend_chunk
from keras_selfattn.layers.feed_forward import FeedForward
from keras_selfattn.layers.normalization import make_norm


@keras.saving.register_keras_serializable(package="keras_selfattn")
class EncoderBlock(keras.layers.Layer):
    """Self-attention and feed-forward, each with a residual and a norm.

    Pre-norm: `x + f(norm(x))`; post-norm: `norm(x + f(x))`. With
    `use_causal_mask` it is the block of a decoder-only model.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.1; pre-norm:
    Xiong et al. 2020 (arXiv:2002.04745), section 3.

    Args:
        num_heads: int, attention heads.
        intermediate_dim: int, features inside the feed-forward network.
        activation: str, a Keras activation, or a gate such as "swiglu"; see
            FeedForward.
        positions: None, "rotary", "relative", ...; see
            MultiHeadSelfAttention.
        dropout: float in [0, 1), on both residual branches.
        inner_dropout: float in [0, 1), on the attention weights and inside
            the feed-forward network (costly: large tensors).
        norm_first: bool, pre-norm (True) or post-norm.
        seed: int, seed of the dropouts.
        attention: None (full), a dict such as `{"kind": "local", "window":
            64}`, or a layer to copy; see `choose_attention`.
        norm: "layer", "rms" or a dict; see `make_norm`.
        use_bias: bool, biases in the attention's projections and in the
            feed-forward network; an attention given as a layer keeps its own.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real, or None.
        attention_mask: bool, see MultiHeadSelfAttention, or None.
        attention_bias: float, likewise, or None.
        use_causal_mask: bool, hide the future.
        return_attention_scores: bool, also return the attention's weights.
        training: bool.

    Returns:
        float `(B, T, D)`; with `return_attention_scores` also float
        `(B, N, T, T)`, or as the attention has them.

    Raises:
        ValueError: as its parts do, and for a call argument that the
            attention does not know.

    Example:
        >>> EncoderBlock(4, 128)(np.zeros((2, 10, 64))).shape
        (2, 10, 64)
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
        self.feed_forward = FeedForward(
            intermediate_dim,
            activation,
            inner_dropout,
            seed + 1,
            use_bias,
            name="feed_forward",
            **policy,
        )
        self.attention_norm = make_norm(norm, "attention_norm", **policy)
        self.feed_forward_norm = make_norm(norm, "feed_forward_norm", **policy)
        self.attention_dropout = keras.layers.Dropout(
            dropout, seed=seed + 2, name="attention_dropout", **policy
        )
        self.feed_forward_dropout = keras.layers.Dropout(
            dropout, seed=seed + 3, name="feed_forward_dropout", **policy
        )

    def build(self, input_shape):
        for layer in (
            self.attention,
            self.feed_forward,
            self.attention_norm,
            self.feed_forward_norm,
        ):
            layer.build(input_shape)

    def call(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        use_causal_mask=False,
        return_attention_scores=False,
        attention_bias=None,
        training=False,
    ):
        arguments = known_arguments(
            self.attention,
            padding_mask=padding_mask,
            attention_mask=attention_mask,
            attention_bias=attention_bias,
            use_causal_mask=use_causal_mask,
            return_attention_scores=return_attention_scores,
        )
        x = self.attention_norm(inputs) if self.norm_first else inputs
        x = self.attention(x, training=training, **arguments)
        if return_attention_scores:
            x, scores = x
        x = self._after_attention(inputs, x, training)
        return (x, scores) if return_attention_scores else x

    def step(self, inputs, padding_mask, past, came):
        """The outputs of a chunk that has just come; see `attend_chunk`.

        Args:
            inputs: float `(B, C, D)`; the attention is
                MultiHeadSelfAttention.
            padding_mask: bool `(B, C)`.
            past: dict of "key" and "value".
            came: bool `(B, P)`, places of the past that are filled.

        Returns:
            float `(B, C, D)` and the next chunk's past.
        """
        x = self.attention_norm(inputs) if self.norm_first else inputs
        x, following = attend_chunk(self.attention, x, past, came, padding_mask)
        return self._after_attention(inputs, x, False), following

    def continue_cached(self, inputs, cache, cache_index):
        """The outputs of tokens that come after those in the cache.

        Args:
            inputs: float `(B, T, D)`; the attention is
                MultiHeadSelfAttention, and hides the future.
            cache: dict of "key" and "value"; see `empty_cache`.
            cache_index: int or int scalar tensor, tokens in the cache.

        Returns:
            float `(B, T, D)` and the updated cache.
        """
        x = self.attention_norm(inputs) if self.norm_first else inputs
        x, cache = self.attention(
            x, use_causal_mask=True, cache=cache, cache_index=cache_index
        )
        return self._after_attention(inputs, x, False), cache

    def _after_attention(self, inputs, x, training):
        x = inputs + self.attention_dropout(x, training=training)
        if not self.norm_first:
            x = self.attention_norm(x)
        y = self.feed_forward_norm(x) if self.norm_first else x
        y = self.feed_forward(y, training=training)
        x = x + self.feed_forward_dropout(y, training=training)
        return x if self.norm_first else self.feed_forward_norm(x)

    def compute_output_spec(
        self, inputs, *args, return_attention_scores=False, **kwargs
    ):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        known_arguments(self.attention, return_attention_scores=True)
        _, scores = self.attention.compute_output_spec(
            inputs, return_attention_scores=True
        )
        return outputs, scores

    def compute_output_shape(self, input_shape, *args, **kwargs):
        return input_shape

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
        }
