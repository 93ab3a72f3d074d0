"""The Transformer encoder block.

Shapes: `B` batch, `T` positions, `D` model dimension.
"""

import keras

from keras_selfattn.layers.feed_forward import FeedForward
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention


@keras.saving.register_keras_serializable(package="keras_selfattn")
class EncoderBlock(keras.layers.Layer):
    """Self-attention and feed-forward, each with a residual and a norm.

    Pre-norm: `x + f(norm(x))`; post-norm: `norm(x + f(x))`.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.1; pre-norm:
    Xiong et al. 2020 (arXiv:2002.04745), section 3.

    Args:
        num_heads: int, attention heads.
        intermediate_dim: int, features inside the feed-forward network.
        activation: str, a Keras activation.
        positions: None, "rotary" or "relative"; see MultiHeadSelfAttention.
        dropout: float in [0, 1), on both residual branches.
        inner_dropout: float in [0, 1), on the attention weights and inside
            the feed-forward network (costly: large tensors).
        norm_first: bool, pre-norm (True) or post-norm.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real, or None.
        attention_mask: bool, see MultiHeadSelfAttention, or None.
        training: bool.

    Returns:
        float `(B, T, D)`.

    Raises:
        ValueError: as its parts do.

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
        policy = {"dtype": self.dtype_policy}
        self.attention = MultiHeadSelfAttention(
            num_heads,
            positions=positions,
            dropout=inner_dropout,
            seed=seed,
            name="attention",
            **policy,
        )
        self.feed_forward = FeedForward(
            intermediate_dim,
            activation,
            inner_dropout,
            seed + 1,
            name="feed_forward",
            **policy,
        )
        self.attention_norm = keras.layers.LayerNormalization(
            epsilon=1e-5, name="attention_norm", **policy
        )
        self.feed_forward_norm = keras.layers.LayerNormalization(
            epsilon=1e-5, name="feed_forward_norm", **policy
        )
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
        self, inputs, padding_mask=None, attention_mask=None, training=False
    ):
        def attend(x):
            x = self.attention(
                x,
                padding_mask=padding_mask,
                attention_mask=attention_mask,
                training=training,
            )
            return self.attention_dropout(x, training=training)

        def feed(x):
            x = self.feed_forward(x, training=training)
            return self.feed_forward_dropout(x, training=training)

        if self.norm_first:
            x = inputs + attend(self.attention_norm(inputs))
            return x + feed(self.feed_forward_norm(x))
        x = self.attention_norm(inputs + attend(inputs))
        return self.feed_forward_norm(x + feed(x))

    def compute_output_shape(self, input_shape, *args, **kwargs):
        return input_shape

    def get_config(self):
        names = (
            "num_heads intermediate_dim activation positions dropout "
            "inner_dropout norm_first seed"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
