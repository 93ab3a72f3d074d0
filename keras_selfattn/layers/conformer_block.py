"""The Conformer block.

Shapes: `B` batch, `T` positions, `D` model dimension.
"""

import keras

from keras_selfattn.layers.chunk_attention import attend_chunk
from keras_selfattn.layers.convolution_module import ConvolutionModule
from keras_selfattn.layers.feed_forward import FeedForward
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention


@keras.saving.register_keras_serializable(package="keras_selfattn")
class ConformerBlock(keras.layers.Layer):
    """Half feed-forward, self-attention, convolution, half feed-forward.

    `x += FF(x)/2; x += MHSA(x); x += Conv(x); x += FF(x)/2; norm(x)`, each
    branch with its own norm first.

    Reference: Gulati et al. 2020 (arXiv:2005.08100), section 2.4; attention
    with relative positions as there, or rotary ones.

    Args:
        num_heads: int, attention heads.
        intermediate_dim: int, features inside the feed-forward networks.
        kernel_size: odd int, width of the depthwise convolution.
        positions: "relative", "rotary" or None.
        normalization: "layer" or "batch", inside the convolution module.
        dropout: float in [0, 1), on every residual branch.
        inner_dropout: float in [0, 1), on the attention weights and inside
            the feed-forward networks (costly: large tensors).
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: float `(B, T, D)`.
        padding_mask: bool `(B, T)`, True = real, or None.
        attention_mask: bool, see MultiHeadSelfAttention, or None.
        chunk_size: see ConvolutionModule; the attention is limited to chunks
            by an `attention_mask` (`masks.chunk_mask`).
        training: bool.

    Returns:
        float `(B, T, D)`.

    Raises:
        ValueError: as its parts do.

    Example:
        >>> ConformerBlock(4, 256)(np.zeros((2, 10, 64))).shape
        (2, 10, 64)
    """

    def __init__(
        self,
        num_heads,
        intermediate_dim,
        kernel_size=31,
        positions="relative",
        normalization="layer",
        dropout=0.0,
        inner_dropout=0.0,
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.kernel_size = kernel_size
        self.positions = positions
        self.normalization = normalization
        self.dropout = dropout
        self.inner_dropout = inner_dropout
        self.seed = seed
        policy = {"dtype": self.dtype_policy}
        branches = {
            "feed_forward_in": FeedForward(
                intermediate_dim,
                "silu",
                inner_dropout,
                seed,
                name="feed_forward_in",
                **policy,
            ),
            "attention": MultiHeadSelfAttention(
                num_heads,
                positions=positions,
                dropout=inner_dropout,
                seed=seed + 1,
                name="attention",
                **policy,
            ),
            "convolution": ConvolutionModule(
                kernel_size,
                normalization,
                seed=seed + 2,
                name="convolution",
                **policy,
            ),
            "feed_forward_out": FeedForward(
                intermediate_dim,
                "silu",
                inner_dropout,
                seed + 3,
                name="feed_forward_out",
                **policy,
            ),
        }
        for i, (name, branch) in enumerate(branches.items()):
            norm = keras.layers.LayerNormalization(
                epsilon=1e-5, name=f"{name}_norm", **policy
            )
            drop = keras.layers.Dropout(
                dropout, seed=seed + 4 + i, name=f"{name}_dropout", **policy
            )
            setattr(self, name, branch)
            setattr(self, f"{name}_norm", norm)
            setattr(self, f"{name}_dropout", drop)
        self.output_norm = keras.layers.LayerNormalization(
            epsilon=1e-5, name="output_norm", **policy
        )

    def build(self, input_shape):
        for layer in self._flatten_layers(include_self=False, recursive=False):
            if not layer.built:
                layer.build(input_shape)

    def call(
        self,
        inputs,
        padding_mask=None,
        attention_mask=None,
        chunk_size=None,
        training=False,
    ):
        def attend(x):
            return self.attention(
                x,
                padding_mask=padding_mask,
                attention_mask=attention_mask,
                training=training,
            )

        def convolve(x):
            return self.convolution(
                x,
                padding_mask=padding_mask,
                chunk_size=chunk_size,
                training=training,
            )

        return self._run(inputs, attend, convolve, training)

    def step(self, inputs, padding_mask, past, came):
        """The outputs of a chunk that has just come.

        Args:
            inputs: float `(B, C, D)`.
            padding_mask: bool `(B, C)`.
            past: dict of "key" and "value", see `attend_chunk`, and
                "convolution", see `ConvolutionModule.step`.
            came: bool `(B, P)`, places of the past that are filled.

        Returns:
            float `(B, C, D)` and the next chunk's past.
        """
        following = {}

        def attend(x):
            y, pairs = attend_chunk(self.attention, x, past, came, padding_mask)
            following.update(pairs)
            return y

        def convolve(x):
            y, following["convolution"] = self.convolution.step(
                x, padding_mask, past["convolution"]
            )
            return y

        return self._run(inputs, attend, convolve, False), following

    def _run(self, x, attend, convolve, training):
        def branch(name, function, x):
            y = function(getattr(self, f"{name}_norm")(x))
            return getattr(self, f"{name}_dropout")(y, training=training)

        def feed(layer):
            return lambda x: layer(x, training=training)

        x = x + 0.5 * branch("feed_forward_in", feed(self.feed_forward_in), x)
        x = x + branch("attention", attend, x)
        x = x + branch("convolution", convolve, x)
        x = x + 0.5 * branch("feed_forward_out", feed(self.feed_forward_out), x)
        return self.output_norm(x)

    def compute_output_shape(self, input_shape, *args, **kwargs):
        return input_shape

    def get_config(self):
        names = (
            "num_heads intermediate_dim kernel_size positions normalization "
            "dropout inner_dropout seed"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
