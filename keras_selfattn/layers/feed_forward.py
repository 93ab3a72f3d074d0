"""Position-wise feed-forward network.

Shapes: `B` batch, `T` positions, `D` model dimension.
"""

import keras


@keras.saving.register_keras_serializable(package="keras_selfattn")
class FeedForward(keras.layers.Layer):
    """`W2 act(W1 x + b1) + b2`, the same at every position.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.3.

    Args:
        intermediate_dim: int, features between the two products.
        activation: str, a Keras activation ("relu", "gelu", "silu", ...).
        dropout: float in [0, 1), after the activation.
        seed: int, seed of the dropout.

    Call arguments:
        inputs: float `(B, T, D)`.
        training: bool.

    Returns:
        float `(B, T, D)`.

    Raises:
        ValueError: where `intermediate_dim` is not a positive int.

    Example:
        >>> FeedForward(128, "gelu")(np.zeros((2, 10, 64))).shape
        (2, 10, 64)
    """

    def __init__(
        self, intermediate_dim, activation="relu", dropout=0.0, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        if not isinstance(intermediate_dim, int) or intermediate_dim < 1:
            raise ValueError(
                "intermediate_dim must be a positive int, received "
                f"{intermediate_dim!r}."
            )
        self.intermediate_dim = intermediate_dim
        self.activation = activation
        self.dropout = dropout
        self.seed = seed

    def build(self, input_shape):
        dim = input_shape[-1]
        self.expand = keras.layers.Dense(
            self.intermediate_dim,
            activation=self.activation,
            dtype=self.dtype_policy,
            name="expand",
        )
        self.expand.build((None, None, dim))
        self.dropout_layer = keras.layers.Dropout(
            self.dropout,
            seed=self.seed,
            dtype=self.dtype_policy,
            name="dropout",
        )
        self.contract = keras.layers.Dense(
            dim, dtype=self.dtype_policy, name="contract"
        )
        self.contract.build((None, None, self.intermediate_dim))

    def call(self, inputs, training=False):
        hidden = self.dropout_layer(self.expand(inputs), training=training)
        return self.contract(hidden)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = "intermediate_dim activation dropout seed".split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
