"""Learned biases of distances, T5's positions: see `attention_positions`.

Shapes: `T` queries, `S` keys, `N` heads.
"""

from dataclasses import asdict, dataclass

import keras
import numpy as np
from keras import ops

from keras_selfattn.layers.positions import distances


@keras.saving.register_keras_serializable(package="keras_selfattn")
@dataclass(frozen=True)
class T5RelativeBuckets:
    """One learned bias a head for each bucket of distances.

    Near distances have a bucket each; further ones share buckets whose width
    grows, up to `max_distance`, beyond which all fall into the last. The
    weight is the layer's `relative_bias`, `(num_buckets, N)`. T5 itself
    divides no scores by `sqrt(H)` (give the attention `scale=1.0`), and has
    one table for all layers (`T5PositionBias`).

    Reference: Raffel et al. 2019 (arXiv:1910.10683), section 2.1.

    Args:
        num_buckets: int >= 4, even where `bidirectional`.
        max_distance: int, distance from which on the last bucket holds.
        bidirectional: bool, half of the buckets for keys after the query;
            False: all those keys fall into bucket 0 (for causal use).
    """

    num_buckets: int = 32
    max_distance: int = 128
    bidirectional: bool = True

    get_config = asdict

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def __post_init__(self):
        exact = self.num_buckets // (4 if self.bidirectional else 2)
        odd = self.bidirectional and self.num_buckets % 2
        if self.num_buckets < 4 or odd:
            raise ValueError(
                f"num_buckets={self.num_buckets}: expected at least 4, and an "
                "even number for both directions."
            )
        if self.max_distance <= exact:
            raise ValueError(
                f"max_distance={self.max_distance} must be above {exact}, up "
                "to which distances have buckets of their own."
            )

    def check(self, head_dim):
        pass

    def build(self, layer, num_heads, head_dim, dim):
        layer.relative_bias = layer.add_weight(
            name="relative_bias",
            shape=(self.num_buckets, num_heads),
            initializer=keras.initializers.RandomNormal(stddev=0.02),
        )

    def _bucket_by_distance(self):
        """Bucket of each distance 0..max_distance, int32 NumPy."""
        num = self.num_buckets // (2 if self.bidirectional else 1)
        exact = num // 2
        far = np.arange(self.max_distance + 1)
        steps = np.log(np.maximum(far, exact) / exact) / np.log(
            self.max_distance / exact
        )
        # The nudge keeps exact powers, such as 16 = 8 * 2, in the bucket
        # that they open.
        shared = exact + np.floor(steps * (num - exact) + 1e-6)
        return np.where(far < exact, far, np.minimum(shared, num - 1)).astype(
            "int32"
        )

    def buckets(self, distance):
        """The bucket of each distance `query - key`, int32, same shape."""
        near = ops.minimum(ops.abs(distance), self.max_distance)
        if not self.bidirectional:
            near = ops.where(distance > 0, near, ops.zeros_like(near))
        table = ops.convert_to_tensor(self._bucket_by_distance(), "int32")
        found = ops.take(table, near, axis=0)
        if self.bidirectional:
            half = self.num_buckets // 2
            found = found + ops.cast(distance < 0, "int32") * half
        return found

    def turn(self, x, offset=0):
        return x

    def bias(self, layer, query, num_keys, scale, offset=0):
        table = ops.cast(layer.relative_bias, query.dtype)
        return query, self.looked_up(
            table, ops.shape(query)[2], num_keys, offset
        )

    def looked_up(self, table, num_queries, num_keys, offset=0):
        """Biases from a table `(num_buckets, N)`: float `(1, N, T, S)`."""
        distance = distances(num_queries, num_keys, offset)
        found = ops.take(table, self.buckets(distance), axis=0)  # (T, S, N)
        return ops.expand_dims(ops.transpose(found, (2, 0, 1)), 0)


@keras.saving.register_keras_serializable(package="keras_selfattn")
class T5PositionBias(keras.layers.Layer):
    """Biases of distances that all layers of a stack share, as in T5.

    They are computed once and go into each layer as its `attention_bias`. For
    biases of each layer's own, give its attention `positions="t5"`.

    Reference: Raffel et al. 2019 (arXiv:1910.10683), section 2.1.

    Args:
        num_heads: int.
        num_buckets, max_distance, bidirectional: see T5RelativeBuckets.

    Call arguments:
        inputs: float `(B, T, ...)`, whose length is that of the queries.
        num_keys: int or int scalar tensor, default `T`.
        offset: int or int scalar tensor, position of the first query.

    Returns:
        float `(1, N, T, S)`.

    Raises:
        ValueError: as T5RelativeBuckets.

    Example:
        >>> T5PositionBias(4)(np.zeros((1, 10, 64))).shape
        (1, 4, 10, 10)
    """

    def __init__(
        self,
        num_heads,
        num_buckets=32,
        max_distance=128,
        bidirectional=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.num_heads = num_heads
        self._buckets = T5RelativeBuckets(
            num_buckets, max_distance, bidirectional
        )

    def build(self, input_shape):
        self._buckets.build(self, self.num_heads, None, None)

    def call(self, inputs, num_keys=None, offset=0):
        num_queries = ops.shape(inputs)[1]
        table = ops.cast(self.relative_bias, self.compute_dtype)
        return self._buckets.looked_up(
            table,
            num_queries,
            num_queries if num_keys is None else num_keys,
            offset,
        )

    def compute_output_spec(self, inputs, num_keys=None, offset=0):
        length = inputs.shape[1]
        keys = num_keys if isinstance(num_keys, int) else None
        keys = length if num_keys is None else keys
        return keras.KerasTensor(
            (1, self.num_heads, length, keys), self.compute_dtype
        )

    def get_config(self):
        return {
            **super().get_config(),
            "num_heads": self.num_heads,
            **self._buckets.get_config(),
        }
