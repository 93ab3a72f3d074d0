"""The encoder of BERT and its kin: RoBERTa, DistilBERT, MiniLM.

Shapes: `B` batch, `T` tokens, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.positions import LearnedPositions


@keras.saving.register_keras_serializable(package="keras_selfattn")
class BertEncoder(keras.Model):
    """Token ids in, one contextual vector a token out, as BERT has them.

    `x = norm(word + segment + position)`, dropout, then post-norm blocks.
    Take it to read the weights that the world has trained
    (`zoo.load("hf://...")`); for training from nothing, TextEncoder has the
    newer choices. Padding is not attended; the result is zero there.

    BERT and MiniLM are the defaults, with their sizes. DistilBERT has
    `num_segments=0` and no pooler. RoBERTa has `first_position=2` (its
    positions count on from the id of padding, 1) and `num_segments=1`.

    Reference: Devlin et al. 2019 (arXiv:1810.04805), section 3; Liu et al.
    2019 (arXiv:1907.11692), section 4; Sanh et al. 2019 (arXiv:1910.01108),
    section 2.

    Args:
        vocabulary_size: int, token ids there are.
        hidden_dim: int, features `D` of a token.
        num_layers: int >= 1.
        num_heads: int that divides `hidden_dim`.
        intermediate_dim: int, features inside the feed-forward networks.
        max_sequence_length: int, rows of the table of positions.
        num_segments: int >= 0, kinds of segments (sentence A, sentence B).
        first_position: int, row of the first token's position.
        pooler: bool, also give `tanh(W x_0 + b)` of the first token.
        tie_embeddings: bool, score tokens by the embeddings, or by a matrix
            of its own; see `scores`.
        activation: str, a Keras activation.
        dropout: float in [0, 1), on the embeddings and residual branches.
        attention_dropout: float in [0, 1), on the attention weights, and
            inside the feed-forward networks.
        norm_epsilon: float > 0, of the norms.
        seed: int, seed of the dropouts.

    Call arguments:
        inputs: dict of "token_ids", int `(B, T)`, "padding_mask", bool `(B,
            T)`, True = real, and, with two segments or more, "segment_ids",
            int `(B, T)`.

    Returns:
        dict of "hidden", float `(B, T, D)`, "padding_mask", as it came, and,
        with the pooler, "pooled", float `(B, D)`.

    Raises:
        ValueError: for sizes that cannot be; a sequence longer than
            `max_sequence_length - first_position`.

    Example:
        >>> encoder = BertEncoder(1000, 64, num_layers=2, num_heads=4)
        >>> ids = np.array([[5, 8, 2, 0]])
        >>> encoder(
        ...     {
        ...         "token_ids": ids,
        ...         "padding_mask": ids > 0,
        ...         "segment_ids": 0 * ids,
        ...     }
        ... )["pooled"].shape
        (1, 64)
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=384,
        num_layers=6,
        num_heads=12,
        intermediate_dim=1536,
        max_sequence_length=512,
        num_segments=2,
        first_position=0,
        pooler=True,
        tie_embeddings=True,
        activation="gelu",
        dropout=0.1,
        attention_dropout=0.0,
        norm_epsilon=1e-12,
        seed=0,
        **kwargs,
    ):
        # Layers
        if num_layers < 1:
            raise ValueError(f"num_layers must be >= 1, received {num_layers}.")
        if num_segments < 0 or not 0 <= first_position < max_sequence_length:
            raise ValueError(
                f"num_segments={num_segments} must be 0 or more, and "
                f"first_position={first_position} a row of the "
                f"max_sequence_length={max_sequence_length} positions."
            )
        dtype = {"dtype": kwargs.pop("dtype", None)}
        normal = keras.initializers.TruncatedNormal(stddev=0.02)
        token_embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=tie_embeddings,
            embeddings_initializer=normal,
            name="token_embedding",
            **dtype,
        )
        segment_embedding = None
        if num_segments:
            segment_embedding = keras.layers.Embedding(
                num_segments,
                hidden_dim,
                embeddings_initializer=normal,
                name="segment_embedding",
                **dtype,
            )
        positions = LearnedPositions(
            max_sequence_length, first=first_position, name="positions", **dtype
        )
        norm = {"kind": "layer", "epsilon": norm_epsilon}
        embedding_norm = make_norm(norm, "embedding_norm", **dtype)
        embedding_dropout = keras.layers.Dropout(
            dropout, seed=seed, name="embedding_dropout", **dtype
        )
        blocks = [
            EncoderBlock(
                num_heads,
                intermediate_dim,
                activation=activation,
                dropout=dropout,
                inner_dropout=attention_dropout,
                norm_first=False,
                norm=norm,
                seed=seed + 10 * (i + 1),
                name=f"block_{i}",
                **dtype,
            )
            for i in range(num_layers)
        ]
        pool = None
        if pooler:
            pool = keras.layers.Dense(
                hidden_dim, activation="tanh", name="pooler", **dtype
            )

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        mask = keras.Input((None,), dtype="bool", name="padding_mask")
        inputs = {"token_ids": token_ids, "padding_mask": mask}
        x = token_embedding(token_ids)  # (B, T, D)
        if num_segments:
            segment_ids = ops.zeros_like(token_ids)
            if num_segments > 1:
                segment_ids = keras.Input(
                    (None,), dtype="int32", name="segment_ids"
                )
                inputs["segment_ids"] = segment_ids
            x = x + segment_embedding(segment_ids)
        x = embedding_dropout(embedding_norm(positions(x)))
        for block in blocks:
            x = block(x, padding_mask=mask)
        real = ops.cast(ops.expand_dims(mask, -1), x.dtype)  # (B, T, 1)
        # The mask itself would make a cycle where this is part of a model.
        mask_out = keras.layers.Identity(name="output_mask")(mask)
        outputs = {"hidden": x * real, "padding_mask": mask_out}
        if pooler:
            outputs["pooled"] = pool(x[:, 0])  # (B, D)
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.max_sequence_length = max_sequence_length
        self.num_segments = num_segments
        self.first_position = first_position
        self.pooler = pooler
        self.tie_embeddings = tie_embeddings
        self.activation = activation
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.norm_epsilon = norm_epsilon
        self.seed = seed
        self._token_embedding = token_embedding

    @property
    def room(self):
        """Tokens of the longest sequence."""
        return self.max_sequence_length - self.first_position

    def scores(self, hidden):
        """Products with the tokens' vectors: `(B, T, D)` to `(B, T, V)`."""
        return self._token_embedding(hidden, reverse=True)

    def attention_scores(self, inputs):
        """Attention weights of every layer: floats `(B, N, T, T)`.

        For `plots.plot_attention`. Queries at padding are in it, too.

        Args:
            inputs: as of a call; segments that are left out are zero.
        """
        token_ids, layer = inputs["token_ids"], self.get_layer
        x = layer("token_embedding")(token_ids)
        if self.num_segments:
            kinds = ops.zeros_like(token_ids)
            if self.num_segments > 1:
                kinds = inputs.get("segment_ids", kinds)
            x = x + layer("segment_embedding")(kinds)
        x = layer("embedding_norm")(layer("positions")(x))
        found = []
        for i in range(self.num_layers):
            x, scores = layer(f"block_{i}")(
                x,
                padding_mask=inputs["padding_mask"],
                return_attention_scores=True,
            )
            found.append(scores)
        return found

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim max_sequence_length num_segments "
            "first_position pooler tie_embeddings activation dropout "
            "attention_dropout norm_epsilon seed"
        ).split()
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
