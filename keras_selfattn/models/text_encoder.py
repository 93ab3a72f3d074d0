"""Text encoder of self-attention, with any attention of the family.

Shapes: `B` batch, `T` tokens, `S` keys, `N` heads, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.block_options import complete_block
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.positions import added_positions
from keras_selfattn.layers.token_embedding import embed_tokens


@keras.saving.register_keras_serializable(package="keras_selfattn")
class TextEncoder(keras.Model):
    """Token ids in, one contextual vector a token out.

    Embedding times `sqrt(D)` (or projected to `D`), dropout, `num_layers`
    encoder blocks, and a norm behind the last where the blocks are pre-norm.
    Padding is not attended; the result is zero there.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), sections 3.1 to 3.5.

    Args:
        vocabulary_size: int, token ids there are.
        hidden_dim: int, features `D` of a token.
        num_layers: int >= 1.
        num_heads: int.
        intermediate_dim: int, features inside the feed-forward networks.
        positions: "sinusoidal" or "learned" (added to the embeddings), or
            what the attention takes ("rotary", "relative", "alibi", "t5", an
            object), or None.
        attention: None (full), or a dict such as `{"kind": "local", "window":
            64, "right": 64}`; see EncoderBlock.
        max_sequence_length: int, with learned positions.
        dropout: float in [0, 1), on the embeddings and residual branches.
        block: dict of further options of the blocks, or None: "activation"
            ("gelu"; "swiglu", ...), "norm" ("layer" or "rms") and
            "norm_first" (True).
        seed: int, seed of the dropouts.
        embedding_dim: int, features of the embeddings where they are not
            `D` (word vectors); a matrix takes them to `D`, and nothing is
            scaled then. Default: `D`.
        fixed_dim: int, features of a second table of embeddings beside the
            first, which `fit` leaves alone (word vectors); a matrix takes both
            to `D`. Default: no such table.
        embedding_dropout: float in [0, 1), on the embeddings; default:
            `dropout`.

    Call arguments:
        inputs: dict of "token_ids", int `(B, T)`, and "padding_mask", bool
            `(B, T)`, True = real.

    Returns:
        dict of "hidden", float `(B, T, D)`, and "padding_mask", as it came.

    Raises:
        ValueError: for learned positions without `max_sequence_length`, for
            unknown options, or as the layers do.

    Example:
        >>> encoder = TextEncoder(1000, hidden_dim=64, positions="rotary")
        >>> ids = np.array([[5, 8, 2, 0]])
        >>> encoder({"token_ids": ids, "padding_mask": ids > 0})["hidden"].shape
        (1, 4, 64)
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=128,
        num_layers=2,
        num_heads=4,
        intermediate_dim=512,
        positions="sinusoidal",
        attention=None,
        max_sequence_length=None,
        dropout=0.1,
        block=None,
        seed=0,
        embedding_dim=None,
        fixed_dim=None,
        embedding_dropout=None,
        **kwargs,
    ):
        # Layers
        if num_layers < 1:
            raise ValueError(f"num_layers must be >= 1, received {num_layers}.")
        options = complete_block(block)
        dtype = {"dtype": kwargs.pop("dtype", None)}
        projection = None
        if embedding_dim is not None or fixed_dim is not None:
            projection = keras.layers.Dense(
                hidden_dim, name="embedding_projection", **dtype
            )
        added = added_positions(positions, max_sequence_length, **dtype)
        drop_embedded = keras.layers.Dropout(
            dropout if embedding_dropout is None else embedding_dropout,
            seed=seed,
            name="embedding_dropout",
            **dtype,
        )
        blocks = [
            EncoderBlock(
                num_heads,
                intermediate_dim,
                positions=positions if added is None else None,
                dropout=dropout,
                seed=seed + 10 * (i + 1),
                attention=attention,
                name=f"block_{i}",
                **options,
                **dtype,
            )
            for i in range(num_layers)
        ]
        output_norm = (
            make_norm(options["norm"], "output_norm", **dtype)
            if options["norm_first"]
            else None
        )

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        mask = keras.Input((None,), dtype="bool", name="padding_mask")
        x = embed_tokens(
            token_ids,
            vocabulary_size,
            embedding_dim or hidden_dim,
            fixed_dim,
            keras.initializers.RandomNormal(
                stddev=(embedding_dim or hidden_dim) ** -0.5
            ),
            **dtype,
        )
        # (B, T, D)
        x = x * hidden_dim**0.5 if projection is None else projection(x)
        embedded = x = drop_embedded(x if added is None else added(x))
        for encoder_block in blocks:
            x = encoder_block(x, padding_mask=mask)
        if output_norm is not None:
            x = output_norm(x)
        real = ops.cast(ops.expand_dims(mask, -1), x.dtype)  # (B, T, 1)
        # The mask itself would make a cycle where this is part of a model.
        mask_out = keras.layers.Identity(name="output_mask")(mask)
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": mask},
            outputs={"hidden": x * real, "padding_mask": mask_out},
            **kwargs,
        )

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.positions = positions
        self.attention = attention
        self.max_sequence_length = max_sequence_length
        self.dropout = dropout
        self.block = options
        self.seed = seed
        self.embedding_dim = embedding_dim
        self.fixed_dim = fixed_dim
        self.embedding_dropout = embedding_dropout
        self.embedding_scale = hidden_dim**0.5 if projection is None else 1.0
        self._embed = keras.Model(token_ids, embedded)
        self._blocks = blocks

    def attention_scores(self, inputs):
        """Attention weights of every layer: floats `(B, N, T, S)`.

        For `plots.plot_attention`. Queries at padding are in it, too: leave
        them out with the lengths of your texts.

        Raises:
            ValueError: where the attention has no such weights to give.
        """
        x = self._embed(inputs["token_ids"])
        weights = []
        for encoder_block in self._blocks:
            x, scores = encoder_block(
                x,
                padding_mask=inputs["padding_mask"],
                return_attention_scores=True,
            )
            weights.append(scores)
        return weights

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim max_sequence_length dropout block seed "
            "embedding_dim fixed_dim embedding_dropout"
        ).split()
        return {
            **{name: getattr(self, name) for name in names},
            **{
                name: keras.saving.serialize_keras_object(getattr(self, name))
                for name in ("positions", "attention")
            },
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("positions", "attention"):
            config[name] = keras.saving.deserialize_keras_object(
                config[name], custom_objects=custom_objects
            )
        return cls(**config)
