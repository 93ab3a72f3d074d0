"""Text encoder of convolutions: every position sees its neighbourhood.

Shapes: `B` batch, `T` tokens, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.token_embedding import embed_tokens


@keras.saving.register_keras_serializable(package="keras_selfattn")
class TextCNN(keras.Model):
    """Token ids in, one vector a token out, by convolutions of several widths.

    A block is `x + W concat_k(act(conv_k(norm(x))))`: parallel convolutions,
    one for each kernel size, as in Kim's sentence CNN, but with a vector a
    token in place of one maximum a sentence, and with a residual, so that
    blocks can be stacked. A token sees `1 + sum(dilation * (kernel - 1))`
    tokens, with the widest kernel of every block, and nothing beyond them.

    Padding is zero before every convolution, so it changes no valid output,
    and zero in the result.

    Reference: Kim 2014 (arXiv:1408.5882), section 2; dilations: Yu and Koltun
    2016 (arXiv:1511.07122).

    Args:
        vocabulary_size: int, token ids there are.
        hidden_dim: int, features `D` of a token.
        kernel_sizes: ints, widths of the parallel convolutions.
        filters: int, features of each convolution; default: `D`.
        dilations: ints, one a block: how far apart the tokens are that a
            convolution sees.
        activation: str, a Keras activation.
        dropout: float in [0, 1), on the embeddings and residual branches.
        seed: int, seed of the dropouts.
        embedding_dim: int, features of the embeddings where they are not
            `D` (word vectors); a matrix takes them to `D`. Default: `D`.
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
        ValueError: for no kernel size or no dilation.

    Example:
        >>> encoder = TextCNN(1000, hidden_dim=64)
        >>> ids = np.array([[5, 8, 2, 0]])
        >>> encoder({"token_ids": ids, "padding_mask": ids > 0})["hidden"].shape
        (1, 4, 64)
    """

    def __init__(
        self,
        vocabulary_size,
        hidden_dim=128,
        kernel_sizes=(3, 4, 5),
        filters=None,
        dilations=(1, 1),
        activation="relu",
        dropout=0.1,
        seed=0,
        embedding_dim=None,
        fixed_dim=None,
        embedding_dropout=None,
        **kwargs,
    ):
        # Layers
        kernel_sizes, dilations = list(kernel_sizes), list(dilations)
        if not kernel_sizes or not dilations:
            raise ValueError(
                "TextCNN needs a kernel size and a dilation at least; "
                f"received kernel_sizes={kernel_sizes}, dilations={dilations}."
            )
        dtype = {"dtype": kwargs.pop("dtype", None)}
        projection = None
        if embedding_dim is not None or fixed_dim is not None:
            projection = keras.layers.Dense(
                hidden_dim, name="embedding_projection", **dtype
            )
        drop_embedded = keras.layers.Dropout(
            dropout if embedding_dropout is None else embedding_dropout,
            seed=seed,
            name="embedding_dropout",
            **dtype,
        )
        blocks = []
        for i, dilation in enumerate(dilations):
            convolutions = [
                keras.layers.Conv1D(
                    filters or hidden_dim,
                    size,
                    dilation_rate=dilation,
                    padding="same",
                    activation=activation,
                    name=f"block_{i}_convolution_{size}",
                    **dtype,
                )
                for size in kernel_sizes
            ]
            blocks.append(
                (
                    keras.layers.LayerNormalization(
                        epsilon=1e-5, name=f"block_{i}_norm", **dtype
                    ),
                    convolutions,
                    keras.layers.Dense(
                        hidden_dim, name=f"block_{i}_output", **dtype
                    ),
                    keras.layers.Dropout(
                        dropout,
                        seed=seed + 1 + i,
                        name=f"block_{i}_dropout",
                        **dtype,
                    ),
                )
            )
        output_norm = keras.layers.LayerNormalization(
            epsilon=1e-5, name="output_norm", **dtype
        )

        # Functional model
        token_ids = keras.Input((None,), dtype="int32", name="token_ids")
        mask = keras.Input((None,), dtype="bool", name="padding_mask")
        x = embed_tokens(
            token_ids,
            vocabulary_size,
            embedding_dim or hidden_dim,
            fixed_dim,
            **dtype,
        )
        if projection is not None:
            x = projection(x)
        x = drop_embedded(x)  # (B, T, D)
        real = ops.cast(ops.expand_dims(mask, -1), x.dtype)  # (B, T, 1)
        for norm, convolutions, output, block_dropout in blocks:
            normed = norm(x) * real
            seen = [convolution(normed) for convolution in convolutions]
            seen = ops.concatenate(seen, axis=-1) if len(seen) > 1 else seen[0]
            x = x + block_dropout(output(seen))
        # The mask itself would make a cycle where this is part of a model.
        mask_out = keras.layers.Identity(name="output_mask")(mask)
        super().__init__(
            inputs={"token_ids": token_ids, "padding_mask": mask},
            outputs={"hidden": output_norm(x) * real, "padding_mask": mask_out},
            **kwargs,
        )

        # Config
        self.vocabulary_size = vocabulary_size
        self.hidden_dim = hidden_dim
        self.kernel_sizes = kernel_sizes
        self.filters = filters
        self.dilations = dilations
        self.activation = activation
        self.dropout = dropout
        self.seed = seed
        self.embedding_dim = embedding_dim
        self.fixed_dim = fixed_dim
        self.embedding_dropout = embedding_dropout

    def get_config(self):
        names = (
            "name vocabulary_size hidden_dim kernel_sizes filters dilations "
            "activation dropout seed embedding_dim fixed_dim "
            "embedding_dropout"
        ).split()
        return {name: getattr(self, name) for name in names}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)
