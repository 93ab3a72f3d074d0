"""Position-wise feed-forward network, plain or gated.

Shapes: `B` batch, `T` positions, `D` model dimension.
"""

import keras

# The gated variants and the activation of their gate (arXiv:2002.05202).
GATED = {
    "glu": "sigmoid",
    "bilinear": "linear",
    "reglu": "relu",
    "geglu": "gelu",
    "geglu_new": "gelu_new",
    "swiglu": "silu",
}


@keras.saving.register_keras_serializable(package="keras_selfattn")
def gelu_new(x):
    """GELU by its tangent, as GPT-2 has it (arXiv:1606.08415, section 2)."""
    return keras.activations.gelu(x, approximate=True)


# Activations by names that Keras does not know.
OWN = {"gelu_new": gelu_new}


@keras.saving.register_keras_serializable(package="keras_selfattn")
class FeedForward(keras.layers.Layer):
    """`W2 act(W1 x + b1) + b2`, the same at every position.

    Gated: `W2 (act(Wg x + bg) * (W1 x + b1)) + b2`. A gated network has three
    matrices: for the parameters of a plain one take two thirds of its
    `intermediate_dim`.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.3; gates:
    Shazeer 2020 (arXiv:2002.05202), section 2, there without biases.

    Args:
        intermediate_dim: int, features between the products.
        activation: str, a Keras activation ("relu", "gelu", "silu", ...),
            "gelu_new" (GELU by its tangent), or a gate: "glu", "bilinear",
            "reglu", "geglu", "geglu_new" or "swiglu".
        dropout: float in [0, 1), after the activation (and the gate).
        seed: int, seed of the dropout.
        use_bias: bool, biases in the products.

    Call arguments:
        inputs: float `(B, T, D)`.
        training: bool.

    Returns:
        float `(B, T, D)`.

    Raises:
        ValueError: where `intermediate_dim` is not a positive int.

    Example:
        >>> FeedForward(128, "swiglu")(np.zeros((2, 10, 64))).shape
        (2, 10, 64)
    """

    def __init__(
        self,
        intermediate_dim,
        activation="relu",
        dropout=0.0,
        seed=0,
        use_bias=True,
        **kwargs,
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
        self.use_bias = use_bias
        self.gated = isinstance(activation, str) and activation in GATED

    def build(self, input_shape):
        dim = input_shape[-1]

        def dense(name, units, input_dim, activation=None):
            if isinstance(activation, str):
                activation = OWN.get(activation, activation)
            layer = keras.layers.Dense(
                units,
                activation=activation,
                use_bias=self.use_bias,
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build((None, None, input_dim))
            return layer

        self.expand = dense(
            "expand",
            self.intermediate_dim,
            dim,
            None if self.gated else self.activation,
        )
        if self.gated:
            self.gate = dense(
                "gate", self.intermediate_dim, dim, GATED[self.activation]
            )
        self.dropout_layer = keras.layers.Dropout(
            self.dropout,
            seed=self.seed,
            dtype=self.dtype_policy,
            name="dropout",
        )
        self.contract = dense("contract", dim, self.intermediate_dim)

    def call(self, inputs, training=False):
        hidden = self.expand(inputs)
        if self.gated:
            hidden = hidden * self.gate(inputs)
        return self.contract(self.dropout_layer(hidden, training=training))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        names = "intermediate_dim activation dropout seed use_bias".split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
