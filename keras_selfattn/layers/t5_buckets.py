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
    divides no scores by `sqrt(H)`: fold that into the query's weights.

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
        distance = distances(ops.shape(query)[2], num_keys, offset)
        table = ops.cast(layer.relative_bias, query.dtype)
        found = ops.take(table, self.buckets(distance), axis=0)  # (T, S, N)
        found = ops.transpose(found, (2, 0, 1))
        return query, ops.expand_dims(found, 0)
