"""Whisper: hears half a minute of log-mel features and writes it down.

Shapes: `B` batch, `F` feature frames, `M` mel bins, `S = F / 2` encoder
frames, `T` tokens, `N` heads, `D` model dimension, `V` vocabulary.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_cache import empty_caches
from keras_selfattn.layers.convolutional_subsampling import (
    ConvolutionalSubsampling,
)
from keras_selfattn.layers.decoder_block import (
    DecoderBlock,
    context_caches_of_stack,
    continue_rows_of_stack,
    continue_stack,
)
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.positions import LearnedPositions


@keras.saving.register_keras_serializable(package="keras_selfattn")
class Whisper(keras.Model):
    """Encoder of sound and decoder of text: the score of each next token.

    Two convolutions of width 3 (strides 1, 2; GELU), positions, encoder
    blocks, a norm; token embeddings (not scaled), positions, decoder blocks, a
    norm, products with the embeddings. All blocks are pre-norm. All of the
    sound is attended, silence too: no mask.

    To write token by token, see `decode_step`, which is called as that of
    `Transformer`: encode once, keep the keys and values of the sound.

        context = model.context_caches(model.encode(features))
        caches = model.self_caches(batch, 64)
        logits, caches = model.decode_step(ids, 0, caches, context)

    Weights have the paths `subsampling/convolution_<i>`,
    `{encoder,decoder}_positions/embeddings`, `token_embedding/embeddings`,
    `{encoder,decoder}_block_<i>/...` and `{encoder,decoder}_norm`.

    Reference: Radford et al. 2022 (arXiv:2212.04356), section 2.2. Differs:
    the encoder's positions are weights (sinusoids in Whisper, which keeps
    them in its checkpoints); keys have a bias, Whisper's have none: it shifts
    all scores of a query alike, so it changes nothing.

    Args:
        vocabulary_size: int, `V`.
        hidden_dim: int, features `D` of a frame and of a token.
        num_layers: int >= 1, blocks of encoder and decoder each, or a pair.
        num_heads: int, or a pair likewise.
        intermediate_dim: int, features inside the feed-forward networks, or a
            pair likewise.
        num_mel_bins: int, `M`.
        max_frames: int, most encoder frames `S` (1500 are 30 s).
        max_sequence_length: int, most tokens `T`.
        tie_embeddings: bool, score tokens by the embeddings, or by a matrix
            of its own.
        dropout: float in [0, 1), on the embeddings and residual branches.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: dict of "features", float `(B, F, M)`, `F <= 2 max_frames`,
            and "token_ids", int `(B, T)`, which begin with the token that
            stands before every text.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.

    Raises:
        ValueError: for no layer, or as the layers do.

    Example:
        >>> model = Whisper(100, 16, 1, 2, 32, max_frames=10)
        >>> features = np.zeros((1, 20, 80), "float32")
        >>> model({"features": features, "token_ids": np.array([[1, 7]])}).shape
        (1, 2, 100)
    """

    def __init__(
        self,
        vocabulary_size=51864,
        hidden_dim=384,
        num_layers=4,
        num_heads=6,
        intermediate_dim=1536,
        num_mel_bins=80,
        max_frames=1500,
        max_sequence_length=448,
        tie_embeddings=True,
        dropout=0.0,
        seed=0,
        **kwargs,
    ):
        # Layers
        layers, heads, inner = (
            _pair(name, value)
            for name, value in (
                ("num_layers", num_layers),
                ("num_heads", num_heads),
                ("intermediate_dim", intermediate_dim),
            )
        )
        dtype = {"dtype": kwargs.pop("dtype", None)}
        subsampling = ConvolutionalSubsampling(
            hidden_dim, (1, 2), "gelu", name="subsampling", **dtype
        )
        embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=tie_embeddings,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=hidden_dim**-0.5
            ),
            name="token_embedding",
            **dtype,
        )
        positions, drops, stacks, norms = [], [], [], []
        for side, (name, block, places) in enumerate(
            (
                ("encoder", EncoderBlock, max_frames),
                ("decoder", DecoderBlock, max_sequence_length),
            )
        ):
            first = seed + 1000 * side
            positions.append(
                LearnedPositions(places, name=f"{name}_positions", **dtype)
            )
            drops.append(
                keras.layers.Dropout(
                    dropout, seed=first, name=f"{name}_dropout", **dtype
                )
            )
            stacks.append(
                [
                    block(
                        heads[side],
                        inner[side],
                        dropout=dropout,
                        seed=first + 10 * (i + 1),
                        name=f"{name}_block_{i}",
                        **dtype,
                    )
                    for i in range(layers[side])
                ]
            )
            norms.append(make_norm("layer", f"{name}_norm", **dtype))

        # Functional model
        features = keras.Input((None, num_mel_bins), name="features")
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        x, _ = subsampling(features)  # (B, S, D)
        x = drops[0](positions[0](x))
        for layer in stacks[0]:
            x = layer(x)
        x = norms[0](x)
        y = drops[1](positions[1](embedding(token_ids)))  # (B, T, D)
        for layer in stacks[1]:
            y = layer(y, x)
        logits = embedding(norms[1](y), reverse=True)  # (B, T, V)
        super().__init__(
            inputs={"features": features, "token_ids": token_ids},
            outputs=logits,
            **kwargs,
        )

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.num_mel_bins = num_mel_bins
        self.max_frames = max_frames
        self.max_sequence_length = max_sequence_length
        self.tie_embeddings = tie_embeddings
        self.dropout = dropout
        self.seed = seed
        self.depths = layers
        self.heads = heads
        self._subsampling = subsampling
        self._embedding = embedding
        self._positions = positions
        self._stacks = stacks
        self._norms = norms

    def encode(self, features):
        """What is heard: float `(B, F, M)` -> `(B, S, D)`."""
        x, _ = self._subsampling(features)
        x = self._positions[0](x)
        for block in self._stacks[0]:
            x = block(x)
        return self._norms[0](x)

    def context_caches(self, hidden):
        """Keys and values of what is heard, one cache a decoder block."""
        return context_caches_of_stack(self._stacks[1], hidden)

    def self_caches(self, batch, max_length):
        """Empty caches for `max_length` tokens, one a decoder block."""
        heads = self.heads[1]
        return empty_caches(
            self._stacks[1], batch, max_length, heads, self.hidden_dim // heads
        )

    def decode_step(
        self, token_ids, cache_index, caches, context, context_mask=None
    ):
        """Scores of the token after the next ones.

        Args:
            token_ids: int `(B, T)`, the next tokens (mostly one).
            cache_index: int or int scalar tensor, tokens so far.
            caches: list as `self_caches` gives, or of the last step.
            context: list as `context_caches` gives.
            context_mask: bool `(B, S)`, True = attended; None for all.

        Returns:
            logits, float `(B, T, V)`, and the updated caches.
        """
        x = self._positions[1](self._embedding(token_ids), offset=cache_index)
        x, updated = continue_stack(
            self._stacks[1], x, cache_index, caches, context, context_mask
        )
        return self._embedding(self._norms[1](x), reverse=True), updated

    def continue_rows(
        self,
        token_ids,
        rows,
        position,
        seen,
        caches,
        context,
        source_bias=None,
    ):
        """`decode_step` for several texts of each sound; see `row_attention`.

        Args:
            token_ids: int `(B K,)`, the token each text goes on with.
            rows: int, `K`.
            position: int scalar tensor, tokens before these.
            seen: float `(B, 1, K, L K)`; see `row_attention.attend_own`.
            caches: list of dicts of float `(B, N, L K, H)`.
            context: list as `context_caches` gives.
            source_bias: float `(B, 1, 1, S)`, added to the scores of frames,
                or None.

        Returns:
            logits, float `(B K, V)`, and the updated caches.
        """
        table = ops.convert_to_tensor(self._positions[1].embeddings)
        zero = ops.zeros((), dtype="int32")
        start = ops.stack([ops.cast(position, "int32"), zero])
        x = self._embedding(token_ids)  # (R, D)
        x = x + ops.cast(ops.slice(table, start, (1, self.hidden_dim)), x.dtype)
        x, updated = continue_rows_of_stack(
            self._stacks[1],
            x,
            rows,
            caches,
            context,
            position,
            seen,
            source_bias,
        )
        return self._embedding(self._norms[1](x), reverse=True), updated

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim num_mel_bins max_frames max_sequence_length "
            "tie_embeddings dropout seed"
        ).split()
        return {name: getattr(self, name) for name in names}


def _pair(name, value):
    """An int as two of it; a ValueError for what is neither."""
    pair = (value, value) if isinstance(value, int) else value
    try:
        encoder, decoder = pair
    except (TypeError, ValueError):
        encoder = decoder = None
    if not all(type(n) is int and n >= 1 for n in (encoder, decoder)):
        raise ValueError(
            f"{name}={value!r}; expected an int >= 1, or a pair of them: of "
            "the encoder, of the decoder."
        )
    return encoder, decoder
