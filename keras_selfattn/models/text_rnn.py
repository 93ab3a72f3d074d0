"""Text encoder of recurrences: one state carried through the sequence.

Shapes: `B` batch, `T` tokens, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.token_embedding import embed_tokens

CELLS = {"gru": keras.layers.GRU, "lstm": keras.layers.LSTM}


@keras.saving.register_keras_serializable(package="keras_selfattn")
class TextRNN(keras.Model):
    """Token ids in, one vector a token out, by bidirectional GRUs or LSTMs.

    Half of a token's features come from the tokens up to it, half from those
    from it on. Time is linear in the length, but cannot be spread over it.

    At padding the states stand still, wherever in the sequence it lies, so
    it changes no valid output; the result is zero there.

    Reference: Schuster and Paliwal 1997 (doi:10.1109/78.650093); GRU: Cho et
    al. 2014 (arXiv:1406.1078), in the variant that resets after the product;
    LSTM: Hochreiter and Schmidhuber 1997 (doi:10.1162/neco.1997.9.8.1735).

    Args:
        vocabulary_size: int, token ids there are.
        hidden_dim: int, features `D` of a token, both directions together.
        num_layers: int >= 1.
        cell: "gru" or "lstm".
        embedding_dim: int, features of the embeddings; default: `D`.
        dropout: float in [0, 1), before every layer.
        seed: int, seed of the dropouts.
        fixed_dim: int, features of a second table of embeddings beside the
            first, which `fit` leaves alone (word vectors). Default: none.
        embedding_dropout: float in [0, 1), before the first layer; default:
            `dropout`.

    Call arguments:
        inputs: dict of "token_ids", int `(B, T)`, and "padding_mask", bool
            `(B, T)`, True = real.

    Returns:
        dict of "hidden", float `(B, T, D)`, and "padding_mask", as it came.

    Raises:
        ValueError: for an unknown cell, an odd `hidden_dim` or no layer.

    Example:
        >>> encoder = TextRNN(1000, hidden_dim=64, num_layers=1)
        >>> ids = np.array([[5, 8, 2, 0]])
        >>> encoder({"token_ids": ids, "padding_mask": ids > 0})["hidden"].shape
        (1, 4, 64)
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=128,
        num_layers=1,
        cell="gru",
        embedding_dim=None,
        dropout=0.1,
        seed=0,
        fixed_dim=None,
        embedding_dropout=None,
        **kwargs,
    ):
        # Layers
        if cell not in CELLS:
            raise ValueError(f"cell={cell!r} is unknown; use 'gru' or 'lstm'.")
        if hidden_dim % 2:
            raise ValueError(
                f"hidden_dim={hidden_dim} is shared by two directions; give "
                "an even number."
            )
        if num_layers < 1:
            raise ValueError(f"num_layers must be >= 1, received {num_layers}.")
        dtype = {"dtype": kwargs.pop("dtype", None)}
        rates = [dropout] * num_layers
        if embedding_dropout is not None:
            rates[0] = embedding_dropout
        blocks = [
            (
                keras.layers.Dropout(
                    rate, seed=seed + i, name=f"layer_{i}_dropout", **dtype
                ),
                keras.layers.Bidirectional(
                    CELLS[cell](
                        hidden_dim // 2,
                        return_sequences=True,
                        name=cell,
                        **dtype,
                    ),
                    name=f"layer_{i}",
                    **dtype,
                ),
            )
            for i, rate in enumerate(rates)
        ]

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
        for layer_dropout, recurrence in blocks:
            x = recurrence(layer_dropout(x), mask=mask)
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
        self.cell = cell
        self.embedding_dim = embedding_dim
        self.dropout = dropout
        self.seed = seed
        self.fixed_dim = fixed_dim
        self.embedding_dropout = embedding_dropout

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim num_layers cell embedding_dim "
            "dropout seed fixed_dim embedding_dropout"
        ).split()
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
