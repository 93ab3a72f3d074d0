"""T5: the Transformer that reads a text with its task and writes the answer.

Shapes: `B` batch, `S` source tokens, `T` target tokens, `N` heads, `H` head
dimension, `D` model dimension, `V` vocabulary.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_cache import empty_caches
from keras_selfattn.layers.block_options import two_depths
from keras_selfattn.layers.decoder_block import (
    DecoderBlock,
    context_caches_of_stack,
    continue_rows_of_stack,
    continue_stack,
)
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.t5_buckets import T5PositionBias


@keras.saving.register_keras_serializable(package="keras_selfattn")
class T5(keras.Model):
    """Encoder and decoder of T5: the score of each next target token.

    As `Transformer`, with what T5 has otherwise: positions are biases of
    distances, one table for all layers of the encoder and one for those of
    the decoder; norms scale only (RMS) and stand before each part; scores are
    not divided by `sqrt(H)`, whose place the first weights take; no product
    has a bias; embeddings are not multiplied by `sqrt(D)`, but what meets
    them at the output is divided by it.

    It writes token by token as `Transformer` does: `encode`,
    `context_caches`, `self_caches`, `decode_step`.

    Reference: Raffel et al. 2020 (arXiv:1910.10683), section 2.1. Version 1.1
    has `activation="geglu_new"` and `tie_embeddings=False`
    (arXiv:2002.05202).

    Args:
        vocabulary_size: int, token ids.
        hidden_dim: int, features `D` of a token.
        num_layers: int, blocks of encoder and decoder each, or a pair.
        num_heads: int.
        intermediate_dim: int, features inside the feed-forward networks.
        head_dim: int, `H`; default `D / N`.
        activation: str, see FeedForward; "relu" or "geglu_new".
        tie_embeddings: bool, score tokens by their embeddings, or by a matrix
            of its own.
        scale_outputs: bool, divide by `sqrt(D)` before the scores; default:
            where the embeddings are tied.
        dropout: float in [0, 1), on the embeddings and residual branches.
        inner_dropout: float in [0, 1), on the attention weights and inside
            the feed-forward networks.
        position_buckets: pair of int, buckets of distances and the distance
            from which on the last holds; see T5RelativeBuckets.
        norm_epsilon: float > 0.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: dict of "source_ids", int `(B, S)`, "source_padding_mask",
            bool `(B, S)`, True = real, and "target_ids", int `(B, T)`,
            which begin with the token that stands before every text.

    Returns:
        logits, float `(B, T, V)`, of the token after each target token.

    Raises:
        ValueError: for no layer, or as the layers do.

    Example:
        >>> model = T5(1000, hidden_dim=64, num_layers=2)
        >>> source = np.array([[5, 8, 1, 0]])
        >>> model(
        ...     {
        ...         "source_ids": source,
        ...         "source_padding_mask": source > 0,
        ...         "target_ids": np.array([[0, 7, 9]]),
        ...     }
        ... ).shape
        (1, 3, 1000)
    """

    target_vocabulary_size = None  # one vocabulary for both, always
    max_sequence_length = None  # any: only distances matter

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=128,
        num_layers=4,
        num_heads=4,
        intermediate_dim=256,
        head_dim=None,
        activation="relu",
        tie_embeddings=True,
        scale_outputs=None,
        dropout=0.1,
        inner_dropout=0.0,
        position_buckets=(32, 128),
        norm_epsilon=1e-6,
        seed=0,
        **kwargs,
    ):
        # Layers
        depths = two_depths(num_layers)
        dtype = {"dtype": kwargs.pop("dtype", None)}
        embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=tie_embeddings,
            embeddings_initializer=keras.initializers.RandomNormal(stddev=1.0),
            name="token_embedding",
            **dtype,
        )
        norm = {"kind": "rms", "epsilon": norm_epsilon}
        # What the scores are multiplied by is in the weights.
        heads = {"head_dim": head_dim, "scale": 1.0}
        common = {
            "num_heads": num_heads,
            "intermediate_dim": intermediate_dim,
            "activation": activation,
            "dropout": dropout,
            "inner_dropout": inner_dropout,
            "attention": {"kind": "full", **heads},
            "norm": norm,
            "use_bias": False,
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
                cross_attention=heads,
                seed=seed + 10 * (i + 1 + depths[0]),
                name=f"decoder_block_{i}",
            )
            for i in range(depths[1])
        ]
        sides = ("encoder", "decoder")
        norms = [make_norm(norm, f"{side}_norm", **dtype) for side in sides]
        biases = [
            T5PositionBias(
                num_heads,
                *position_buckets,
                bidirectional=side == "encoder",
                name=f"{side}_positions",
                **dtype,
            )
            for side in sides
        ]
        dropouts = [
            keras.layers.Dropout(
                dropout, seed=seed + i, name=f"{side}_{place}_dropout", **dtype
            )
            for i, (side, place) in enumerate(
                (side, place) for side in sides for place in ("input", "output")
            )
        ]
        if scale_outputs is None:
            scale_outputs = tie_embeddings
        output_scale = hidden_dim**-0.5 if scale_outputs else 1.0

        # Functional model
        source_ids = keras.Input((None,), dtype="int32", name="source_ids")
        mask = keras.Input((None,), dtype="bool", name="source_padding_mask")
        target_ids = keras.Input((None,), dtype="int32", name="target_ids")
        x = dropouts[0](embedding(source_ids))  # (B, S, D)
        bias = biases[0](x)  # (1, N, S, S)
        for block in encoder_blocks:
            x = block(x, padding_mask=mask, attention_bias=bias)
        x = dropouts[1](norms[0](x))
        y = dropouts[2](embedding(target_ids))  # (B, T, D)
        bias = biases[1](y)  # (1, N, T, T)
        for block in decoder_blocks:
            y = block(y, x, context_padding_mask=mask, attention_bias=bias)
        y = dropouts[3](norms[1](y)) * output_scale
        logits = embedding(y, reverse=True)  # (B, T, V)
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
        self.head_dim = head_dim or hidden_dim // num_heads
        self.activation = activation
        self.tie_embeddings = tie_embeddings
        self.scale_outputs = scale_outputs
        self.dropout = dropout
        self.inner_dropout = inner_dropout
        self.position_buckets = list(position_buckets)
        self.norm_epsilon = norm_epsilon
        self.seed = seed
        self._embedding = embedding
        self._encoder_blocks = encoder_blocks
        self._decoder_blocks = decoder_blocks
        self._norms = norms
        self._biases = biases
        self._output_scale = output_scale
        self._narrow_first_weights()

    def _narrow_first_weights(self):
        """Queries, and a matrix of its own at the output, begin small.

        The factors that other models multiply by stand in the weights.
        """
        kernels = [block.attention.query for block in self._encoder_blocks]
        for block in self._decoder_blocks:
            kernels += [block.attention.query, block.cross_attention.query]
        narrow = [(layer.kernel, self.head_dim**-0.5) for layer in kernels]
        if not self.tie_embeddings:
            reverse = self._embedding.reverse_embeddings
            narrow.append((reverse, self.hidden_dim**-0.5 / self._output_scale))
        for variable, factor in narrow:
            variable.assign(variable.value * factor)

    def _scores(self, y):
        y = self._norms[1](y) * self._output_scale
        return self._embedding(y, reverse=True)

    def encode(self, source_ids, source_padding_mask):
        """The source's contextual vectors, float `(B, S, D)`."""
        x = self._embedding(source_ids)
        bias = self._biases[0](x)
        for block in self._encoder_blocks:
            x = block(x, padding_mask=source_padding_mask, attention_bias=bias)
        return self._norms[0](x)

    def context_caches(self, hidden):
        """Keys and values of the encoded source, one cache a decoder block."""
        return context_caches_of_stack(self._decoder_blocks, hidden)

    def self_caches(self, batch, max_length):
        """Empty caches for `max_length` target tokens, one a decoder block."""
        return empty_caches(
            self._decoder_blocks,
            batch,
            max_length,
            self.num_heads,
            self.head_dim,
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
        y = self._embedding(token_ids)
        num_places = ops.shape(caches[0]["key"])[2]
        y, updated = continue_stack(
            self._decoder_blocks,
            y,
            cache_index,
            caches,
            context,
            source_padding_mask,
            self._biases[1](y, num_keys=num_places, offset=cache_index),
        )
        return self._scores(y), updated

    def position_table(self, num_places):
        """What is added to embeddings: nothing. See `Transformer`."""
        return None

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
            table: None.

        Returns:
            logits, float `(B K, V)`, and the updated caches.
        """
        y = self._embedding(token_ids)  # (R, D)
        num_places = ops.shape(seen)[3] // rows
        one = ops.expand_dims(y[:1], 1)
        bias = self._biases[1](one, num_keys=num_places, offset=position)
        # (1, N, 1, L) -> (B, N, K, L K)
        seen = seen + ops.cast(ops.repeat(bias, rows, axis=3), "float32")
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
        return self._scores(y), updated

    def attention_scores(self, inputs):
        """What each target token looks at in the source; see `Transformer`.

        Args:
            inputs: as the model is called.

        Returns:
            list of float `(B, N, T, S)`, one a decoder block.
        """
        mask = inputs["source_padding_mask"]
        hidden = self.encode(inputs["source_ids"], mask)
        y = self._embedding(inputs["target_ids"])
        bias, weights = self._biases[1](y), []
        for block in self._decoder_blocks:
            y, scores = block(
                y,
                hidden,
                context_padding_mask=mask,
                attention_bias=bias,
                return_attention_scores=True,
            )
            weights.append(scores)
        return weights

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim head_dim activation tie_embeddings "
            "scale_outputs dropout inner_dropout position_buckets "
            "norm_epsilon seed"
        ).split()
        return {name: getattr(self, name) for name in names}
