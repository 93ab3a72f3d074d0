"""The Transformer that goes on with a text: a decoder without an encoder.

Shapes: `B` batch, `T` tokens, `S` places of a cache, `N` heads, `H` head
dimension, `D` model dimension, `V` vocabulary.
"""

import keras

from keras_selfattn.layers.attention_cache import empty_caches
from keras_selfattn.layers.block_options import complete_block
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.normalization import make_norm
from keras_selfattn.layers.positions import added_positions


@keras.saving.register_keras_serializable(package="keras_selfattn")
class CausalTransformer(keras.Model):
    """The score of each next token, from those before it (GPT-2's shape).

    Embedding, positions, dropout; encoder blocks that hide the future; a norm
    behind the last where blocks are pre-norm; products with the embeddings.
    No token sees a later one, so padding behind a text changes nothing in it
    and needs no mask.

    To write token by token, keep what is computed:

        caches = model.caches(batch, 64)
        logits, hidden, caches = model.decode_step(ids, 0, caches)

    Weights have the paths `token_embedding/embeddings`,
    `positions/embeddings`, `block_<i>/attention/{query,key,value,output}`,
    `block_<i>/feed_forward/{expand,contract}`,
    `block_<i>/{attention,feed_forward}_norm` and `output_norm`.

    Reference: Radford et al. 2019, Language Models are Unsupervised Multitask
    Learners, section 2.3. GPT-2 is the default but for its sizes: activation
    "gelu_new", layer norms with epsilon 1e-5 and biases, weights drawn with a
    deviation of 0.02, those behind a residual branch with `0.02 / sqrt(2
    num_layers)`, embeddings tied.

    Args:
        vocabulary_size: int.
        hidden_dim: int, features `D` of a token.
        num_layers: int >= 1.
        num_heads: int.
        intermediate_dim: int, features inside the feed-forward networks;
            default `4 D`.
        positions: "learned" or "sinusoidal" (added to the embeddings), or
            what self-attention takes ("rotary", "alibi", ...), or None.
        max_sequence_length: int >= 2, tokens that the model sees at once;
            with learned positions it takes no more.
        tie_embeddings: bool, score tokens by the embeddings, or by a matrix
            of its own.
        dropout: float in [0, 1), on the embeddings and residual branches.
        inner_dropout: float in [0, 1), on the attention weights and inside
            the feed-forward networks.
        use_bias: bool, biases in all products. Norms have theirs by `block`.
        block: dict of further options of the blocks, or None; see
            `complete_block`. `{"norm": {"kind": "layer", "epsilon": 1e-6}}`.
        initializer_range: float > 0, deviation of the first weights.
        seed: int, of the first weights and the dropouts.

    Call arguments:
        token_ids: int `(B, T)`.

    Returns:
        logits, float `(B, T, V)`, of the token after each token.

    Raises:
        ValueError: for no layer or a length below 2, for unknown options, or
            as the layers do.

    Example:
        >>> model = CausalTransformer(1000, hidden_dim=64, num_layers=2)
        >>> model(np.array([[1, 7, 9]])).shape
        (1, 3, 1000)
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=128,
        num_layers=4,
        num_heads=4,
        intermediate_dim=None,
        positions="learned",
        max_sequence_length=256,
        tie_embeddings=True,
        dropout=0.0,
        inner_dropout=0.0,
        use_bias=True,
        block=None,
        initializer_range=0.02,
        seed=0,
        **kwargs,
    ):
        # Layers
        if num_layers < 1 or max_sequence_length < 2:
            raise ValueError(
                f"num_layers={num_layers}, max_sequence_length="
                f"{max_sequence_length}; expected at least 1, and 2."
            )
        options = complete_block({"activation": "gelu_new", **(block or {})})
        dtype = {"dtype": kwargs.pop("dtype", None)}
        embedding = keras.layers.ReversibleEmbedding(
            vocabulary_size,
            hidden_dim,
            tie_weights=tie_embeddings,
            name="token_embedding",
            **dtype,
        )
        added = added_positions(positions, max_sequence_length, **dtype)
        drop_embedded = keras.layers.Dropout(
            dropout, seed=seed, name="embedding_dropout", **dtype
        )
        blocks = [
            EncoderBlock(
                num_heads,
                intermediate_dim or 4 * hidden_dim,
                positions=positions if added is None else None,
                dropout=dropout,
                inner_dropout=inner_dropout,
                seed=seed + 10 * (i + 1),
                use_bias=use_bias,
                name=f"block_{i}",
                **options,
                **dtype,
            )
            for i in range(num_layers)
        ]
        norm = None
        if options["norm_first"]:
            norm = make_norm(options["norm"], "output_norm", **dtype)

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        x = embedding(token_ids)  # (B, T, D)
        embedded = x = drop_embedded(x if added is None else added(x))
        for block_layer in blocks:
            x = block_layer(x, use_causal_mask=True)
        x = x if norm is None else norm(x)
        logits = embedding(x, reverse=True)  # (B, T, V)
        super().__init__(inputs=token_ids, outputs=logits, **kwargs)

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.num_layers = num_layers
        self.num_heads = num_heads
        self.intermediate_dim = intermediate_dim
        self.positions = positions
        self.max_sequence_length = max_sequence_length
        self.tie_embeddings = tie_embeddings
        self.dropout = dropout
        self.inner_dropout = inner_dropout
        self.use_bias = use_bias
        self.block = options
        self.initializer_range = initializer_range
        self.seed = seed
        self._embedding = embedding
        self._added = added
        self._blocks = blocks
        self._norm = norm
        self._embed = keras.Model(token_ids, embedded)
        self._draw_weights()

    def _draw_weights(self):
        """First weights as GPT-2 has them; norms and biases stay."""
        last = self.initializer_range / (2 * self.num_layers) ** 0.5
        for i, variable in enumerate(self.trainable_variables):
            if variable.name not in (
                "kernel",
                "embeddings",
                "reverse_embeddings",
            ):
                continue
            closing = variable.path.endswith(
                ("/output/kernel", "/contract/kernel")
            )
            draw = keras.initializers.RandomNormal(
                stddev=last if closing else self.initializer_range,
                seed=self.seed + i,
            )
            variable.assign(draw(variable.shape, variable.dtype))

    def caches(self, batch, max_length):
        """Empty caches for `max_length` tokens, one a block."""
        head_dim = self.hidden_dim // self.num_heads
        return empty_caches(
            self._blocks, batch, max_length, self.num_heads, head_dim
        )

    def decode_step(self, token_ids, cache_index, caches):
        """Scores of the token after the next one.

        Args:
            token_ids: int `(B, T)`, the next tokens (mostly one).
            cache_index: int or int scalar tensor, tokens so far.
            caches: list as `caches` gives, or of the last step.

        Returns:
            logits, float `(B, T, V)`; what they are made of, float
            `(B, T, D)`; and the updated caches.
        """
        x = self._embedding(token_ids)
        if self._added is not None:
            x = self._added(x, offset=cache_index)
        updated = []
        for block, cache in zip(self._blocks, caches, strict=True):
            x, cache = block.continue_cached(x, cache, cache_index)
            updated.append(cache)
        x = x if self._norm is None else self._norm(x)
        return self._embedding(x, reverse=True), x, updated

    def attention_scores(self, token_ids):
        """Attention weights of every block: floats `(B, N, T, T)`.

        For `plots.plot_attention`.
        """
        x = self._embed(token_ids)
        weights = []
        for block in self._blocks:
            x, scores = block(
                x, use_causal_mask=True, return_attention_scores=True
            )
            weights.append(scores)
        return weights

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers num_heads "
            "intermediate_dim max_sequence_length tie_embeddings dropout "
            "inner_dropout use_bias block initializer_range seed"
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
