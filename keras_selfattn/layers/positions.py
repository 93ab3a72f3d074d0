"""Where a token stands: sinusoidal, learned, rotary, relative positions.

Shapes: `B` batch, `T` queries, `S` keys, `N` heads, `H` head dimension,
`D` model dimension.
"""

import keras
import numpy as np
from keras import ops


def sinusoids(positions, dim, max_wavelength=10000.0):
    """Sines and cosines of the positions, `(T,)` -> float32 `(T, D)`.

    The first half of the features are sines, the second half cosines, of
    wavelengths from `2 pi` to `2 pi max_wavelength` in geometric steps
    (Vaswani et al. 2017, arXiv:1706.03762, section 3.5, there interleaved).
    """
    if dim % 2 or dim < 4:
        raise ValueError(f"Sinusoids need an even dim >= 4, received {dim}.")
    half = dim // 2
    steps = np.log(max_wavelength) / (half - 1)
    rates = ops.convert_to_tensor(np.exp(-steps * np.arange(half)), "float32")
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SinusoidalPositions(keras.layers.Layer):
    """Adds fixed sinusoids, so any length can come: `x + sinusoids(0..T-1)`.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.5; halves
    concatenated, not interleaved (a fixed permutation of the features).

    Args:
        max_wavelength: float, longest wavelength over 2 pi.

    Call arguments:
        inputs: float `(B, T, D)`, D even.
        offset: int or int scalar tensor, position of the first token.

    Returns:
        the same shape and dtype.

    Raises:
        ValueError: where D is odd or below 4.

    Example:
        >>> SinusoidalPositions()(np.zeros((1, 5, 8))).shape
        (1, 5, 8)
    """

    def __init__(self, max_wavelength=10000.0, **kwargs):
        super().__init__(**kwargs)
        self.max_wavelength = max_wavelength

    def call(self, inputs, offset=0):
        length, dim = ops.shape(inputs)[1], inputs.shape[-1]
        positions = ops.arange(length, dtype="int32")
        positions = positions + ops.cast(offset, "int32")
        table = sinusoids(positions, dim, self.max_wavelength)
        return inputs + ops.cast(ops.expand_dims(table, 0), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "max_wavelength": self.max_wavelength}


@keras.saving.register_keras_serializable(package="keras_selfattn")
class LearnedPositions(keras.layers.Layer):
    """Adds one learned vector a position.

    Reference: Gehring et al. 2017 (arXiv:1705.03122), section 3.1.

    Args:
        max_sequence_length: int, positions there are vectors for.
        initializer_range: float, standard deviation at the start.
        first: int, row of the first token's vector; those before it are not
            used (RoBERTa has two such, and so room for two tokens less).

    Call arguments:
        inputs: float `(B, T, D)`, `T <= max_sequence_length - first`.
        offset: int or int scalar tensor, position of the first token; with
            it, positions past the end have the last vector.

    Returns:
        the same shape and dtype.

    Raises:
        ValueError: for a sequence longer than `max_sequence_length`.

    Example:
        >>> LearnedPositions(16)(np.zeros((1, 5, 8))).shape
        (1, 5, 8)
    """

    def __init__(
        self, max_sequence_length, initializer_range=0.02, first=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.max_sequence_length = max_sequence_length
        self.initializer_range = initializer_range
        self.first = first

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(self.max_sequence_length, input_shape[-1]),
            initializer=keras.initializers.TruncatedNormal(
                stddev=self.initializer_range
            ),
        )

    def call(self, inputs, offset=None):
        static = inputs.shape[1]
        room = self.max_sequence_length - self.first
        if isinstance(static, int) and static > room:
            rows = f" less first={self.first}" if self.first else ""
            raise ValueError(
                f"A sequence of {static} positions came, but only "
                f"max_sequence_length={self.max_sequence_length}{rows} are "
                "learned; cut the input or build the model with more."
            )
        table = ops.convert_to_tensor(self.embeddings)
        length = ops.shape(inputs)[1]
        if offset is None:
            table = table[self.first : self.first + length]
        else:
            places = ops.arange(length, dtype="int32")
            places = places + ops.cast(offset, "int32") + self.first
            last = self.max_sequence_length - 1
            table = ops.take(table, ops.minimum(places, last), axis=0)
        return inputs + ops.cast(ops.expand_dims(table, 0), inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "max_sequence_length": self.max_sequence_length,
            "initializer_range": self.initializer_range,
            "first": self.first,
        }


def added_positions(positions, max_sequence_length=None, dtype=None):
    """Returns the layer that adds what `positions` names to embeddings.

    Args:
        positions: "sinusoidal" (or a dict of this "kind" and arguments of
            SinusoidalPositions), "learned", or anything else.
        max_sequence_length: int, for learned positions.
        dtype: dtype policy of the layer.

    Returns:
        a layer called "positions", or None: such positions belong to the
        attention.

    Raises:
        ValueError: for learned positions without `max_sequence_length`.
    """
    if isinstance(positions, dict) and positions.get("kind") == "sinusoidal":
        given = {name: x for name, x in positions.items() if name != "kind"}
        return SinusoidalPositions(**given, name="positions", dtype=dtype)
    if positions == "sinusoidal":
        return SinusoidalPositions(name="positions", dtype=dtype)
    if positions != "learned":
        return None
    if max_sequence_length is None:
        raise ValueError(
            "Learned positions need max_sequence_length; give it, or "
            "take positions='sinusoidal', which need none."
        )
    return LearnedPositions(max_sequence_length, name="positions", dtype=dtype)


def apply_rotary(
    inputs, positions=None, max_wavelength=10000.0, pairs="halves"
):
    """Turns each pair of features by its position's angle.

    The dot product of a turned query and a turned key then depends on their
    distance only. Feature `i` pairs with feature `i + H/2` ("halves"), or
    `2 i` with `2 i + 1` ("neighbours").

    Reference: Su et al. 2021 (arXiv:2104.09864), section 3.2.2, which pairs
    neighbours; halves as GPT-NeoX has them.

    Args:
        inputs: float `(B, N, T, H)`, H even.
        positions: int or float `(T,)`; default 0..T-1.
        max_wavelength: float, longest wavelength over 2 pi.
        pairs: "halves" or "neighbours", see above.

    Returns:
        float `(B, N, T, H)`, same dtype.
    """
    dim = inputs.shape[-1]
    if dim % 2:
        raise ValueError(
            f"Rotary positions need an even head_dim, received {dim}."
        )
    if positions is None:
        positions = ops.arange(ops.shape(inputs)[2])
    half = dim // 2
    rates = max_wavelength ** -(np.arange(half) / half)
    if pairs == "neighbours":
        rates = np.repeat(rates, 2)
    rates = ops.convert_to_tensor(rates, "float32")
    angles = ops.expand_dims(ops.cast(positions, "float32"), -1) * rates
    cos = ops.cast(ops.cos(angles), inputs.dtype)  # (T, H/2), or (T, H)
    sin = ops.cast(ops.sin(angles), inputs.dtype)
    if pairs == "neighbours":
        swapped = ops.take(inputs, np.arange(dim) ^ 1, axis=-1)
        signs = np.tile(np.array([-1.0, 1.0], "float32"), half)
        return inputs * cos + swapped * (sin * ops.cast(signs, sin.dtype))
    first, second = inputs[..., :half], inputs[..., half:]
    return ops.concatenate(
        [first * cos - second * sin, second * cos + first * sin], axis=-1
    )


def distances(num_queries, num_keys, offset=0):
    """How far each key lies behind each query, int32 `(T, S)`.

    Example:
        >>> distances(2, 3, offset=1)
        [[1, 0, -1], [2, 1, 0]]
    """
    queries = ops.arange(num_queries, dtype="int32") + ops.cast(offset, "int32")
    keys = ops.arange(num_keys, dtype="int32")
    return ops.expand_dims(queries, 1) - ops.expand_dims(keys, 0)


def relative_sinusoids(
    length, dim, max_wavelength=10000.0, num_keys=None, offset=0
):
    """Sinusoids of the distances from furthest past to furthest future.

    T-1, ..., 0, ..., -(T-1) for `T = length` queries over as many keys,
    `(2T-1, D)`; in general T-1+offset, ..., offset-(S-1), `(T+S-1, D)`.
    """
    num_keys = length if num_keys is None else num_keys
    distances = (length - 1) - ops.arange(length + num_keys - 1)
    return sinusoids(distances + offset, dim, max_wavelength)


def relative_shift(scores, num_keys=None):
    """Scores by distance to scores by key.

    In: `(B, N, T, T+S-1)`, column `c` for distance `query - key = T-1-c`.
    Out: `(B, N, T, S)` with `out[i, j] = in[i, T-1-(i-j)]`; S is T where it
    is not given.

    Reference: Dai et al. 2019 (arXiv:1901.02860), appendix B.
    """
    shape = ops.shape(scores)
    heads, length = scores.shape[1], shape[2]
    num_keys = length if num_keys is None else num_keys
    columns = length + num_keys - 1
    padded = ops.pad(scores, ((0, 0), (0, 0), (0, 0), (1, 0)))
    rolled = ops.reshape(padded, (shape[0], heads, columns + 1, length))
    rolled = ops.reshape(rolled[:, :, 1:], (shape[0], heads, length, columns))
    return rolled[..., :num_keys]
