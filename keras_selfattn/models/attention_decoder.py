"""The decoder of an encoder-decoder whose encoder reads no tokens.

Shapes: `B` batch, `T` target tokens, `S` positions of the context, `D` model
dimension, `C` features of the context, `V` vocabulary.
"""

import keras

from keras_selfattn.layers.attention_cache import empty_caches
from keras_selfattn.layers.block_options import complete_block
from keras_selfattn.layers.decoder_block import (
    DecoderBlock,
    context_caches_of_stack,
    continue_stack,
)
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.positions import added_positions


@keras.saving.register_keras_serializable(package="keras_selfattn")
class AttentionDecoder(keras.Model):
    """Decoder blocks over the text so far that attend to what was heard.

    Embedding times `sqrt(D)`, dropout, decoder blocks, a norm where blocks are
    pre-norm, and the scores of tokens by their embeddings. It is the right
    half of `Transformer`, for contexts that come from another model, such as
    `ConformerEncoder`; their width may differ from `D`. To write token by
    token, see `decode_step`, which is called as that of `Transformer`.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3; speech:
    Dong et al. 2018 (ICASSP, "Speech-Transformer"), section 3.

    Args:
        vocabulary_size: int, `V`.
        hidden_dim: int, features `D` of a token.
        num_layers: int >= 1, blocks.
        num_heads: int.
        intermediate_dim: int, features inside the feed-forward networks.
        positions: "sinusoidal" or "learned" (added to the embeddings), or
            what self-attention takes ("rotary", "relative", ...), or None.
        max_sequence_length: int, with learned positions.
        context_dim: int, `C`, or None for `hidden_dim`.
        dropout: float in [0, 1), on the embeddings and residual branches.
        block: dict of further options of the blocks, or None; see
            `complete_block`.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: dict of "token_ids", int `(B, T)`, which begin with the token
            that stands before every text, "context", float `(B, S, C)`, and
            "context_padding_mask", bool `(B, S)`, True = real.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.

    Raises:
        ValueError: for no layer, for learned positions without
            `max_sequence_length`, for unknown options, or as the layers do.

    Example:
        >>> decoder = AttentionDecoder(30, hidden_dim=16, num_layers=1)
        >>> decoder(
        ...     {
        ...         "token_ids": np.array([[0, 7, 9]]),
        ...         "context": np.zeros((1, 20, 16)),
        ...         "context_padding_mask": np.ones((1, 20), bool),
        ...     }
        ... ).shape
        (1, 3, 30)
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=144,
        num_layers=2,
        num_heads=4,
        intermediate_dim=576,
        positions="sinusoidal",
        max_sequence_length=None,
        context_dim=None,
        dropout=0.1,
        block=None,
        seed=0,
        **kwargs,
    ):
        # Layers
        if type(num_layers) is not int or num_layers < 1:
            raise ValueError(
                f"num_layers={num_layers!r}; expected an int >= 1."
            )
        options = complete_block(block)
        dtype = {"dtype": kwargs.pop("dtype", None)}
        embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=hidden_dim**-0.5
            ),
            name="token_embedding",
            **dtype,
        )
        added = added_positions(positions, max_sequence_length, **dtype)
        drop = keras.layers.Dropout(
            dropout, seed=seed, name="embedding_dropout", **dtype
        )
        blocks = [
            DecoderBlock(
                num_heads=num_heads,
                intermediate_dim=intermediate_dim,
                positions=positions if added is None else None,
                dropout=dropout,
                seed=seed + 10 * (i + 1),
                name=f"block_{i}",
                **options,
                **dtype,
            )
            for i in range(num_layers)
        ]
        norm = None
        if options["norm_first"]:
            norm = make_norm(options["norm"], "norm", **dtype)

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        context = keras.Input((None, context_dim or hidden_dim), name="context")
        mask = keras.Input((None,), dtype="bool", name="context_padding_mask")
        x = embedding(token_ids) * hidden_dim**0.5  # (B, T, D)
        x = drop(x if added is None else added(x))
        for layer in blocks:
            x = layer(x, context, context_padding_mask=mask)
        x = x if norm is None else norm(x)
        super().__init__(
            inputs={
                "token_ids": token_ids,
                "context": context,
                "context_padding_mask": mask,
            },
            outputs=embedding(x, reverse=True),  # (B, T, V)
            **kwargs,
        )

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.positions = positions
        self.max_sequence_length = max_sequence_length
        self.context_dim = context_dim or hidden_dim
        self.dropout = dropout
        self.block = options
        self.seed = seed
        self._embedding = embedding
        self._added = added
        self._blocks = blocks
        self._norm = norm

    def context_caches(self, context):
        """Keys and values of the context `(B, S, C)`, one cache a block."""
        return context_caches_of_stack(self._blocks, context)

    def self_caches(self, batch, max_length):
        """Empty caches for `max_length` tokens, one a block."""
        head_dim = self.hidden_dim // self.num_heads
        return empty_caches(
            self._blocks, batch, max_length, self.num_heads, head_dim
        )

    def decode_step(
        self, token_ids, cache_index, caches, context, context_padding_mask
    ):
        """Scores of the token after the next one.

        Args:
            token_ids: int `(B, T)`, the next tokens (mostly one).
            cache_index: int or int scalar tensor, tokens so far.
            caches: list as `self_caches` gives, or of the last step.
            context: list as `context_caches` gives.
            context_padding_mask: bool `(B, S)`.

        Returns:
            logits, float `(B, T, V)`, and the updated caches.
        """
        x = self._embedding(token_ids) * self.hidden_dim**0.5
        if self._added is not None:
            x = self._added(x, offset=cache_index)
        x, updated = continue_stack(
            self._blocks, x, cache_index, caches, context, context_padding_mask
        )
        x = x if self._norm is None else self._norm(x)
        return self._embedding(x, reverse=True), updated

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim max_sequence_length context_dim dropout block "
            "seed"
        ).split()
        return {
            **{name: getattr(self, name) for name in names},
            "positions": keras.saving.serialize_keras_object(self.positions),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        config["positions"] = keras.saving.deserialize_keras_object(
            config["positions"], custom_objects=custom_objects
        )
        return cls(**config)
