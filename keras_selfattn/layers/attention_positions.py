"""Positions as parts that any attention layer takes, by name or by object.

A part holds numbers only; what it learns is a weight of the attention layer
that it is given to. The layer calls

- `check(head_dim)` for a clear refusal,
- `build(layer, num_heads, head_dim, dim)` to add weights to the layer,
- `turn(x, offset)` on queries and keys, before keys go into a cache,
- `bias(layer, query, num_keys, scale, offset)`, which gives the query that
  meets the keys and a bias of the scores `(B|1, N, T, S)`, or None.

Query `i` stands at position `i + offset`, key `j` at position `j`, as in
`masks.causal_mask`; so a step of decoding has the offset `cache_index`, and a
block whose keys begin `n` places before its queries has the offset `n`.

Shapes: `B` batch, `T` queries, `S` keys, `N` heads, `H` head dimension,
`D` model dimension.
"""

import math
from dataclasses import asdict, dataclass

import keras
import numpy as np
from keras import ops

from keras_selfattn.layers.attention_core import projection, split_heads
from keras_selfattn.layers.positions import (
    apply_rotary,
    distances,
    relative_shift,
    relative_sinusoids,
)
from keras_selfattn.layers.t5_buckets import T5RelativeBuckets


def _from_config(cls, config):
    return cls(**config)


@keras.saving.register_keras_serializable(package="keras_selfattn")
@dataclass(frozen=True)
class RotaryPositions:
    """Turns pairs of features by an angle that grows with the position.

    Reference: Su et al. 2021 (arXiv:2104.09864), section 3.2.2; the first
    `fraction` of the features only, as GPT-NeoX has.

    Args:
        max_wavelength: float > 0, longest wavelength over 2 pi.
        fraction: float in (0, 1], share of each head's features that turn.
        pairs: "halves" (GPT-NeoX, Llama) or "neighbours" (the paper, GPT-J);
            see `positions.apply_rotary`.
    """

    max_wavelength: float = 10000.0
    fraction: float = 1.0
    pairs: str = "halves"

    get_config = asdict
    from_config = classmethod(_from_config)

    def __post_init__(self):
        if not 0 < self.fraction <= 1 or not self.max_wavelength > 0:
            raise ValueError(
                "Expected max_wavelength > 0 and a fraction in (0, 1], "
                f"received {self.max_wavelength} and {self.fraction}."
            )
        if self.pairs not in ("halves", "neighbours"):
            raise ValueError(
                f"pairs={self.pairs!r} is unknown; use 'halves' or "
                "'neighbours'."
            )

    def _num_turned(self, head_dim):
        return int(head_dim * self.fraction)

    def check(self, head_dim):
        turned = self._num_turned(head_dim)
        if turned % 2 or turned == 0:
            raise ValueError(
                f"Rotary positions need an even head_dim, received {head_dim}"
                f", of which fraction={self.fraction} is {turned}."
            )

    def build(self, layer, num_heads, head_dim, dim):
        pass

    def turn(self, x, offset=0):
        head_dim = x.shape[-1]
        turned = self._num_turned(head_dim)
        positions = ops.arange(ops.shape(x)[2], dtype="int32")
        positions = positions + ops.cast(offset, "int32")
        rotated = apply_rotary(
            x[..., :turned], positions, self.max_wavelength, self.pairs
        )
        if turned == head_dim:
            return rotated
        return ops.concatenate([rotated, x[..., turned:]], axis=-1)

    def bias(self, layer, query, num_keys, scale, offset=0):
        return query, None


@keras.saving.register_keras_serializable(package="keras_selfattn")
@dataclass(frozen=True)
class TransformerXLPositions:
    """Sinusoids of the distance, projected, with two learned biases a head.

    `(q + u) k + (q + v) W sinusoid(distance)`, all times the scale. The
    weights are the layer's `position`, `content_bias` (u) and
    `position_bias` (v).

    Reference: Dai et al. 2019 (arXiv:1901.02860), section 3.3.

    Args:
        max_wavelength: float > 0, longest wavelength over 2 pi.
    """

    max_wavelength: float = 10000.0

    get_config = asdict
    from_config = classmethod(_from_config)

    def __post_init__(self):
        if not self.max_wavelength > 0:
            raise ValueError(
                f"max_wavelength must be > 0, received {self.max_wavelength}."
            )

    def check(self, head_dim):
        pass

    def build(self, layer, num_heads, head_dim, dim):
        layer.position = projection(
            layer, "position", num_heads * head_dim, dim, use_bias=False
        )
        shape = (num_heads, 1, head_dim)
        for name in ("content_bias", "position_bias"):
            weight = layer.add_weight(
                name=name, shape=shape, initializer="zeros"
            )
            setattr(layer, name, weight)

    def turn(self, x, offset=0):
        return x

    def bias(self, layer, query, num_keys, scale, offset=0):
        num_heads, num_queries = query.shape[1], ops.shape(query)[2]
        dim = layer.position.kernel.shape[0]
        table = relative_sinusoids(
            num_queries, dim, self.max_wavelength, num_keys, offset
        )  # (T+S-1, D)
        table = layer.position(ops.expand_dims(ops.cast(table, query.dtype), 0))
        table = ops.transpose(split_heads(table, num_heads), (0, 1, 3, 2))
        position_bias = ops.cast(layer.position_bias, query.dtype)
        content_bias = ops.cast(layer.content_bias, query.dtype)
        scores = ops.matmul((query + position_bias) * scale, table)
        return query + content_bias, relative_shift(scores, num_keys)


@keras.saving.register_keras_serializable(package="keras_selfattn")
@dataclass(frozen=True)
class AlibiPositions:
    """Scores fall linearly with the distance, at a fixed rate a head.

    `bias = -rate |distance|`, rates `2^(-8 n / N)` for n = 1..N; where N is
    no power of two, those of the next lower one, then every second of the
    next higher one. Nothing is learned, and any length can come.

    Reference: Press et al. 2021 (arXiv:2108.12409), section 3; there for
    the past only, here the same towards the future.
    """

    get_config = asdict
    from_config = classmethod(_from_config)

    def check(self, head_dim):
        pass

    def build(self, layer, num_heads, head_dim, dim):
        pass

    @staticmethod
    def rates(num_heads):
        """The rates of the heads, float64 `(N,)`."""
        power = 2 ** int(math.floor(math.log2(num_heads)))
        rates = 2.0 ** (-8.0 * np.arange(1, power + 1) / power)
        finer = 2.0 ** (-4.0 * np.arange(1, 2 * power + 1) / power)
        return np.concatenate([rates, finer[::2][: num_heads - power]])

    def turn(self, x, offset=0):
        return x

    def bias(self, layer, query, num_keys, scale, offset=0):
        far = ops.abs(distances(ops.shape(query)[2], num_keys, offset))
        rates = self.rates(query.shape[1]).reshape((1, -1, 1, 1))
        rates = ops.convert_to_tensor(-rates, "float32")
        far = ops.expand_dims(ops.expand_dims(far, 0), 0)
        return query, ops.cast(far, "float32") * rates  # (1, N, T, S)


BY_NAME = {
    "rotary": RotaryPositions,
    "relative": TransformerXLPositions,
    "alibi": AlibiPositions,
    "t5": T5RelativeBuckets,
}


def positions_part(positions):
    """The part for a name, an object of this file, its config, or None.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(positions, dict):
        positions = keras.saving.deserialize_keras_object(positions)
    if isinstance(positions, str) and positions in BY_NAME:
        return BY_NAME[positions]()
    if positions is None or isinstance(positions, tuple(BY_NAME.values())):
        return positions
    raise ValueError(
        f"positions={positions!r} is unknown; use None, one of "
        f"{tuple(BY_NAME)} or an object of "
        f"{tuple(part.__name__ for part in BY_NAME.values())}."
    )


def positions_config(positions):
    """What `get_config` keeps: a name as it is, an object serialised."""
    if positions is None or isinstance(positions, str | dict):
        return positions
    return keras.saving.serialize_keras_object(positions)


def take_positions(layer, positions, head_dim=None):
    """Gives an attention layer its part; `_part` and `positions` hold it.

    Args:
        layer: an attention layer that is being made.
        positions: what `positions_part` takes.
        head_dim: int to check the part with, or None.
    """
    layer._part = positions_part(positions)
    if layer._part is not None and head_dim is not None:
        layer._part.check(head_dim)
    layer.positions = layer._part if isinstance(positions, dict) else positions


def build_positions(layer, num_heads, head_dim, dim):
    """Adds the weights of the layer's part, if it has one."""
    if layer._part is not None:
        layer._part.check(head_dim)
        layer._part.build(layer, num_heads, head_dim, dim)
