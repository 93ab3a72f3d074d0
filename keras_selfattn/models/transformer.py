"""The Transformer that reads one sequence and writes another.

Shapes: `B` batch, `S` source tokens, `T` target tokens, `N` heads, `D` model
dimension, `V` target vocabulary.
"""

import keras
from keras import ops

from keras_selfattn.layers.add_bias import AddBias
from keras_selfattn.layers.attention_cache import empty_caches
from keras_selfattn.layers.block_options import complete_block, two_depths
from keras_selfattn.layers.decoder_block import (
    DecoderBlock,
    context_caches_of_stack,
    continue_rows_of_stack,
    continue_stack,
)
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.positions import added_positions


@keras.saving.register_keras_serializable(package="keras_selfattn")
class Transformer(keras.Model):
    """Encoder and decoder: the score of each next target token.

    Embedding times `sqrt(D)`, dropout, encoder blocks over the source;
    decoder blocks over the target so far, which also attend the encoded
    source; a norm behind the last block of each where blocks are pre-norm.
    Padding of the source is not attended, and no target token sees a later
    one, so padding behind the target changes nothing before it.

    To write token by token, encode once and keep what is computed:

        context = model.context_caches(model.encode(source_ids, mask))
        caches = model.self_caches(batch, 64)
        logits, caches = model.decode_step(ids, 0, caches, context, mask)

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3; tied
    embeddings: Press and Wolf 2017 (arXiv:1608.05859).

    Args:
        vocabulary_size: int, token ids of both languages; with
            `target_vocabulary_size` of the source alone.
        hidden_dim: int, features `D` of a token.
        num_layers: int, blocks of encoder and decoder each, or a pair.
        num_heads: int.
        intermediate_dim: int, features inside the feed-forward networks.
        positions: "sinusoidal" or "learned" (added to the embeddings; see
            `added_positions`), or what self-attention takes ("rotary",
            "relative", ...), or None.
        target_vocabulary_size: int for a vocabulary (and embeddings) of its
            own, None for one that both languages share.
        tie_embeddings: bool, score tokens by the target's embeddings, or by
            a matrix of its own.
        max_sequence_length: int, with learned positions.
        dropout: float in [0, 1), on the embeddings and residual branches.
        block: dict of further options of the blocks, or None; see
            `complete_block`.
        seed: int, seed of the dropouts.
        inner_dropout: float in [0, 1), on the attention weights and inside
            the feed-forward networks.
        scale_embeddings: bool, embeddings times `sqrt(D)`.
        output_bias: bool, a number a token is added to its score; it is not
            trained.

    Call arguments:
        inputs: dict of "source_ids", int `(B, S)`, "source_padding_mask",
            bool `(B, S)`, True = real, and "target_ids", int `(B, T)`,
            which begin with the token that stands before every text.

    Returns:
        logits, float `(B, T, V)`, of the token after each target token.

    Raises:
        ValueError: for learned positions without `max_sequence_length`, for
            no layer, for unknown options, or as the layers do.

    Example:
        >>> model = Transformer(1000, hidden_dim=64, num_layers=2)
        >>> source = np.array([[5, 8, 2, 0]])
        >>> model(
        ...     {
        ...         "source_ids": source,
        ...         "source_padding_mask": source > 0,
        ...         "target_ids": np.array([[1, 7, 9]]),
        ...     }
        ... ).shape
        (1, 3, 1000)
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=128,
        num_layers=4,
        num_heads=4,
        intermediate_dim=256,
        positions="sinusoidal",
        target_vocabulary_size=None,
        tie_embeddings=True,
        max_sequence_length=None,
        dropout=0.1,
        block=None,
        seed=0,
        inner_dropout=0.0,
        scale_embeddings=True,
        output_bias=False,
        **kwargs,
    ):
        # Layers
        options = complete_block(block)
        depths = two_depths(num_layers)
        dtype = {"dtype": kwargs.pop("dtype", None)}

        def embedding(size, name, tied):
            return keras.layers.ReversibleEmbedding(
                size,
                hidden_dim,
                tie_weights=tied,
                embeddings_initializer=keras.initializers.RandomNormal(
                    stddev=hidden_dim**-0.5
                ),
                name=name,
                **dtype,
            )

        if target_vocabulary_size is None:
            source_embedding = target_embedding = embedding(
                vocabulary_size, "token_embedding", tie_embeddings
            )
        else:
            source_embedding = embedding(
                vocabulary_size, "source_embedding", True
            )
            target_embedding = embedding(
                target_vocabulary_size, "target_embedding", tie_embeddings
            )
        added = added_positions(positions, max_sequence_length, **dtype)
        dropouts = [
            keras.layers.Dropout(
                dropout, seed=seed + i, name=f"{side}_dropout", **dtype
            )
            for i, side in enumerate(("source", "target"))
        ]
        common = {
            "num_heads": num_heads,
            "intermediate_dim": intermediate_dim,
            "positions": positions if added is None else None,
            "dropout": dropout,
            "inner_dropout": inner_dropout,
            **options,
            **dtype,
        }
        encoder_blocks = [
            EncoderBlock(
                **common, seed=seed + 10 * (i + 1), name=f"encoder_block_{i}"
            )
            for i in range(depths[0])
        ]
        decoder_blocks = [
            DecoderBlock(
                **common,
                seed=seed + 10 * (i + 1 + depths[0]),
                name=f"decoder_block_{i}",
            )
            for i in range(depths[1])
        ]
        norms = [None, None]
        if options["norm_first"]:
            norms = [
                make_norm(options["norm"], f"{side}_norm", **dtype)
                for side in ("encoder", "decoder")
            ]
        bias = None
        if output_bias:
            bias = AddBias(name="output_bias", trainable=False, **dtype)
        scale = hidden_dim**0.5 if scale_embeddings else 1.0

        # Functional model
        source_ids = keras.Input((None,), dtype="int32", name="source_ids")
        mask = keras.Input((None,), dtype="bool", name="source_padding_mask")
        target_ids = keras.Input((None,), dtype="int32", name="target_ids")
        x = source_embedding(source_ids) * scale  # (B, S, D)
        x = dropouts[0](x if added is None else added(x))
        for block_layer in encoder_blocks:
            x = block_layer(x, padding_mask=mask)
        x = x if norms[0] is None else norms[0](x)
        y = target_embedding(target_ids) * scale  # (B, T, D)
        y = dropouts[1](y if added is None else added(y))
        for block_layer in decoder_blocks:
            y = block_layer(y, x, context_padding_mask=mask)
        y = y if norms[1] is None else norms[1](y)
        logits = target_embedding(y, reverse=True)  # (B, T, V)
        logits = logits if bias is None else bias(logits)
        super().__init__(
            inputs={
                "source_ids": source_ids,
                "source_padding_mask": mask,
                "target_ids": target_ids,
            },
            outputs=logits,
            **kwargs,
        )

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.positions = positions
        self.target_vocabulary_size = target_vocabulary_size
        self.tie_embeddings = tie_embeddings
        self.max_sequence_length = max_sequence_length
        self.dropout = dropout
        self.block = options
        self.seed = seed
        self.inner_dropout = inner_dropout
        self.scale_embeddings = scale_embeddings
        self.output_bias = output_bias
        self._scale = scale
        self._bias = bias
        self._embeddings = (source_embedding, target_embedding)
        self._added = added
        self._encoder_blocks = encoder_blocks
        self._decoder_blocks = decoder_blocks
        self._norms = norms

    def _embed(self, token_ids, side, offset=None):
        x = self._embeddings[side](token_ids) * self._scale
        if self._added is None:
            return x
        return self._added(x, **({} if offset is None else {"offset": offset}))

    def _normed(self, x, side):
        return x if self._norms[side] is None else self._norms[side](x)

    def _logits(self, y):
        logits = self._embeddings[1](self._normed(y, 1), reverse=True)
        return logits if self._bias is None else self._bias(logits)

    def encode(self, source_ids, source_padding_mask):
        """The source's contextual vectors, float `(B, S, D)`."""
        x = self._embed(source_ids, 0)
        for block in self._encoder_blocks:
            x = block(x, padding_mask=source_padding_mask)
        return self._normed(x, 0)

    def context_caches(self, hidden):
        """Keys and values of the encoded source, one cache a decoder block."""
        return context_caches_of_stack(self._decoder_blocks, hidden)

    def self_caches(self, batch, max_length):
        """Empty caches for `max_length` target tokens, one a decoder block."""
        head_dim = self.hidden_dim // self.num_heads
        return empty_caches(
            self._decoder_blocks, batch, max_length, self.num_heads, head_dim
        )

    def decode_step(
        self, token_ids, cache_index, caches, context, source_padding_mask
    ):
        """Scores of the token after the next one.

        Args:
            token_ids: int `(B, T)`, the next target tokens (mostly one).
            cache_index: int or int scalar tensor, target tokens so far.
            caches: list as `self_caches` gives, or of the last step.
            context: list as `context_caches` gives.
            source_padding_mask: bool `(B, S)`.

        Returns:
            logits, float `(B, T, V)`, and the updated caches.
        """
        y = self._embed(token_ids, 1, cache_index)
        y, updated = continue_stack(
            self._decoder_blocks,
            y,
            cache_index,
            caches,
            context,
            source_padding_mask,
        )
        return self._logits(y), updated

    def position_table(self, num_places):
        """What is added to the embeddings of the first places, or None.

        Returns:
            float `(num_places, D)`, made once for `continue_rows`.
        """
        if self._added is None:
            return None
        blank = ops.zeros(
            (1, num_places, self.hidden_dim),
            dtype=self._embeddings[1].compute_dtype,
        )
        return self._added(blank, offset=0)[0]

    def continue_rows(
        self,
        token_ids,
        rows,
        position,
        seen,
        caches,
        context,
        source_bias,
        table=None,
    ):
        """`decode_step` for several texts of each source; see `row_attention`.

        Args:
            token_ids: int `(B K,)`, the token each text goes on with.
            rows: int, `K`.
            position: int scalar tensor, tokens before these.
            seen: float `(B, 1, K, L K)`; see `row_attention.attend_own`.
            caches: list of dicts of float `(B, N, L K, H)`.
            context: list as `context_caches` gives.
            source_bias: float `(B, 1, 1, S)`, added to the scores.
            table: what `position_table` gives for `L` places or more.

        Returns:
            logits, float `(B K, V)`, and the updated caches.
        """
        y = self._embeddings[1](token_ids) * self._scale  # (R, D)
        if table is not None:
            zero = ops.zeros((), dtype="int32")
            start = ops.stack([ops.cast(position, "int32"), zero])
            y = y + ops.slice(table, start, (1, self.hidden_dim))
        y, updated = continue_rows_of_stack(
            self._decoder_blocks,
            y,
            rows,
            caches,
            context,
            position,
            seen,
            source_bias,
        )
        return self._logits(y), updated

    def attention_scores(self, inputs):
        """What each target token looks at in the source.

        For `plots.plot_attention`: row `t` belongs to the target token that
        is *read* at place `t`, and was used to write the one behind it.

        Args:
            inputs: as the model is called.

        Returns:
            list of float `(B, N, T, S)`, one a decoder block.
        """
        mask = inputs["source_padding_mask"]
        hidden = self.encode(inputs["source_ids"], mask)
        y = self._embed(inputs["target_ids"], 1)
        weights = []
        for block in self._decoder_blocks:
            y, scores = block(
                y,
                hidden,
                context_padding_mask=mask,
                return_attention_scores=True,
            )
            weights.append(scores)
        return weights

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim target_vocabulary_size tie_embeddings "
            "max_sequence_length dropout block seed inner_dropout "
            "scale_embeddings output_bias"
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
