"""Self-attention over the places of an image.

Shapes: `B` batch, `Y` height, `X` width, `T = Y * X` queries, `S` keys (`T`,
or a quarter of it), `N` heads, `H` head dimension, `D` features.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_core import (
    attend,
    check_heads,
    check_rates,
    merge_heads,
    split_heads,
)
from keras_selfattn.layers.spectral_normalization import dense


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SelfAttention2D(keras.layers.Layer):
    """Every place of an image looks at every other: `x + gamma o(x)`.

    `o` is attention with 1x1 convolutions as projections. The gate `gamma` is
    learned and begins at 0: the layer begins as identity, so that a network
    first learns what is near, then what is far. With `pool` keys and values
    are the maxima of 2x2 places, which makes a quarter of the work.

    Reference: Zhang et al. 2019 (arXiv:1805.08318), section 3, equations 1
    to 3 (its scores have no scale); pooled keys and values, and no biases:
    Brock et al. 2019 (arXiv:1809.11096), appendix B. Here there may be more
    than one head.

    Args:
        num_heads: int >= 1.
        head_dim: int >= 1, features of a head's queries and keys; default
            `D / 8 / N`, at least 1.
        value_dim: int >= 1, features of a head's values; default `D / 2 / N`,
            at least 1.
        pool: bool, whether keys and values are pooled; then height and width
            must be 2 or more, and an odd last row or column has no keys.
        scale: float > 0, what scores are multiplied by.
        spectral_normalization: bool, of the projections; see
            `SpectralConv2D`.

    Call arguments:
        inputs: float `(B, Y, X, D)`.
        return_attention_scores: bool, also return the weights after softmax.
        training: bool.

    Returns:
        float `(B, Y, X, D)`; with `return_attention_scores` then float
        `(B, N, T, S)`, places in rows from the upper left.

    Raises:
        ValueError: inputs of another rank, or an argument out of its range.

    Example:
        >>> SelfAttention2D()(np.zeros((2, 14, 14, 64))).shape
        (2, 14, 14, 64)
    """

    def __init__(
        self,
        num_heads=1,
        head_dim=None,
        value_dim=None,
        pool=True,
        scale=1.0,
        spectral_normalization=False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(num_heads, head_dim)
        check_heads(num_heads, value_dim)
        check_rates(scale=scale)
        self.num_heads = num_heads
        self.head_dim = head_dim
        self.value_dim = value_dim
        self.pool = pool
        self.scale = scale
        self.spectral_normalization = spectral_normalization

    def build(self, input_shape):
        if len(input_shape) != 4 or input_shape[-1] is None:
            raise ValueError(
                "SelfAttention2D takes images (batch, height, width, "
                f"features); received {tuple(input_shape)}."
            )
        dim, heads = input_shape[-1], self.num_heads
        self._pairs = self.head_dim or max(1, dim // 8 // heads)
        self._values = self.value_dim or max(1, dim // 2 // heads)
        sizes = {
            "query": (heads * self._pairs, dim),
            "key": (heads * self._pairs, dim),
            "value": (heads * self._values, dim),
            "output": (dim, heads * self._values),
        }
        for name, (units, inputs) in sizes.items():
            layer = dense(
                units,
                self.spectral_normalization,
                use_bias=False,
                dtype=self.dtype_policy,
                name=name,
            )
            layer.build((None, None, inputs))
            setattr(self, f"{name}_projection", layer)
        self.gamma = self.add_weight(
            shape=(), initializer="zeros", name="gamma"
        )

    def _places(self, image):
        """`(B, Y, X, F)` -> `(B, S, F)`, pooled or not."""
        if self.pool:
            image = ops.max_pool(image, 2, strides=2, padding="valid")
        _, height, width, features = ops.shape(image)
        return ops.reshape(image, (-1, height * width, features))

    def call(self, inputs, return_attention_scores=False, training=False):
        _, height, width, dim = ops.shape(inputs)
        flat = ops.reshape(inputs, (-1, height * width, dim))  # (B, T, D)
        query = self.query_projection(flat)
        around = []
        for projection in (self.key_projection, self.value_projection):
            # The projection of the whole image, then its maxima.
            seen = projection(inputs)
            around.append(split_heads(self._places(seen), self.num_heads))
        found = attend(
            split_heads(query, self.num_heads),
            *around,
            scale=self.scale,
            return_scores=return_attention_scores,
            training=training,
        )
        outputs, scores = found if return_attention_scores else (found, None)
        outputs = self.output_projection(merge_heads(outputs))
        outputs = ops.reshape(outputs, (-1, height, width, dim))
        outputs = inputs + ops.cast(self.gamma, outputs.dtype) * outputs
        return (outputs, scores) if return_attention_scores else outputs

    def compute_output_spec(
        self, inputs, return_attention_scores=False, training=False
    ):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if not return_attention_scores:
            return outputs
        batch, height, width, _ = inputs.shape
        places = keys = None
        if None not in (height, width):
            places = keys = height * width
            if self.pool:
                keys = (height // 2) * (width // 2)
        shape = (batch, self.num_heads, places, keys)
        return outputs, keras.KerasTensor(shape, self.compute_dtype)

    def get_config(self):
        names = (
            "num_heads head_dim value_dim pool scale spectral_normalization"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
        }
