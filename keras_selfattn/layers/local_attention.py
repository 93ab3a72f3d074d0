"""Self-attention to what is near, at linear cost.

Shapes: `B` batch, `T` positions, `G` blocks, `C` queries of a block, `W` keys
of a block (`left + C + right`), `N` heads, `K` key/value heads, `H` head
dimension, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.attention_cache import check_cache
from keras_selfattn.layers.attention_core import (
    add_projections,
    attend,
    check_heads,
    check_rates,
    head_size,
    keys_mask,
    merge_heads,
    split_heads,
)
from keras_selfattn.layers.attention_positions import (
    build_positions,
    positions_config,
    take_positions,
)
from keras_selfattn.layers.masks import as_attention_mask, combine_masks
from keras_selfattn.layers.windows import windows

# A block of C queries meets C + left + right keys: few queries copy the keys
# often, many compute scores that the mask throws away.
SMALLEST_BLOCK, LARGEST_BLOCK = 32, 128


@keras.saving.register_keras_serializable(package="keras_selfattn")
class LocalSelfAttention(keras.layers.Layer):
    """Every position looks at its neighbours: `T (left + right)`, not `T^2`.

    By window: query `i` attends the keys `i - window <= j <= i + right`, as
    `MultiHeadSelfAttention` with `masks.local_mask`. By chunk: it attends all
    of its chunk and `left_context` positions before the chunk, as with
    `masks.chunk_mask`. The weights are those of `MultiHeadSelfAttention`,
    path by path, and so are the outputs; but the sequence is cut into blocks,
    and no `T x T` tensor is ever made.

    A sequence may come in pieces. `empty_cache(batch, left, K, H)`, with
    `left` the window or the left context, keeps the last keys and values;
    each call attends them before its own and returns the cache moved on.

    Reference: Beltagy et al. 2020 (arXiv:2004.05150), section 3.1 (window);
    chunks: Chen et al. 2020 (arXiv:2010.11395), section 3.2.

    Args:
        num_heads: int >= 1.
        window: int >= 0, positions to the left that are seen; or None, where
            `chunk_size` is given.
        right: int >= 0, positions to the right that are seen; with a window.
        chunk_size: int >= 1, positions of a chunk, in place of `window`.
        left_context: int >= 0, positions before the chunk that are seen.
        head_dim: int, features a head; default `D / num_heads`.
        positions: as in MultiHeadSelfAttention.
        dropout: float in [0, 1), on the attention weights.
        use_bias: bool, biases in the four projections.
        seed: int, seed of the dropout.
        num_key_value_heads: int that divides `num_heads`; default as many.

    Call arguments:
        inputs: float `(B, T, D)`; with a cache and chunks, whole chunks.
        padding_mask: bool `(B, T)`, True = real token, or None; with a cache
            `(B, left + T)`, over its places and the new tokens.
        use_causal_mask: bool, hide the future within reach, too.
        cache: dict of `(B, K, left, H)` under "key" and "value", or None.
        cache_index: int or int scalar tensor, tokens before these.
        training: bool.

    Returns:
        float `(B, T, D)`; with a cache then the updated cache.

    Raises:
        ValueError: where neither or both of `window` and `chunk_size` are
            given, for a reach below 0, a cache where the future is seen, or
            one of another shape; and as MultiHeadSelfAttention.

    Example:
        >>> layer = LocalSelfAttention(num_heads=4, window=16, right=16)
        >>> layer(np.zeros((2, 1000, 64))).shape
        (2, 1000, 64)
    """

    def __init__(
        self,
        num_heads,
        window=None,
        right=0,
        chunk_size=None,
        left_context=0,
        head_dim=None,
        positions=None,
        dropout=0.0,
        use_bias=True,
        seed=0,
        num_key_value_heads=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_heads(num_heads, head_dim, num_key_value_heads)
        check_rates(dropout)
        _check_reach(window, right, chunk_size, left_context)
        take_positions(self, positions, head_dim)
        self.num_heads = num_heads
        self.window = window
        self.right = right
        self.chunk_size = chunk_size
        self.left_context = left_context
        self.head_dim = head_dim
        self.dropout = dropout
        self.use_bias = use_bias
        self.seed = seed
        self.num_key_value_heads = num_key_value_heads
        self._left = left_context if window is None else window

    def build(self, input_shape):
        dim = input_shape[-1]
        self._head_dim = head_size(dim, self.num_heads, self.head_dim)
        self._num_pairs = self.num_key_value_heads or self.num_heads
        add_projections(
            self,
            dim,
            self.num_heads * self._head_dim,
            self._num_pairs * self._head_dim,
        )
        build_positions(self, self.num_heads, self._head_dim, dim)

    def _block(self, length):
        """Size of a block and its reach to the left and to the right.

        A `length` that is known, and not None, makes short work of short
        sequences.
        """
        if self.chunk_size is None:
            size = max(self._left + self.right, SMALLEST_BLOCK)
            size = min(size, LARGEST_BLOCK)
            if length is not None:
                size = max(1, min(size, length))
        else:
            chunks = max(1, SMALLEST_BLOCK // self.chunk_size)
            if length is not None:
                chunks = max(1, min(chunks, -(-length // self.chunk_size)))
            size = chunks * self.chunk_size
        if length is None:
            return size, self._left, self.right
        return size, min(self._left, length), min(self.right, length)

    def _reachable(self, num_queries, num_keys, left, right, causal):
        """True where a block's query sees a key, `(1, 1, C, W)`.

        The block's first query stands at the place `left` of its keys.
        """
        queries = ops.expand_dims(ops.arange(num_queries, dtype="int32"), 1)
        keys = ops.expand_dims(ops.arange(num_keys, dtype="int32"), 0)
        if self.chunk_size is None:
            far = keys - queries  # key - query + left
            mask = ops.logical_and(far >= 0, far <= left + right)
        else:
            far = keys - (queries - ops.mod(queries, self.chunk_size))
            mask = ops.logical_and(far >= 0, far < left + self.chunk_size)
        if causal:
            mask = ops.logical_and(mask, keys <= queries + left)
        return as_attention_mask(mask)

    def _attend(self, query, key, value, mask, left, training):
        """Attention of `(X, C, N H)` to `(X, W, K H)`, any number X."""
        query = split_heads(query, self.num_heads)
        key = split_heads(key, self._num_pairs)
        value = split_heads(value, self._num_pairs)
        bias, scale = None, self._head_dim**-0.5
        if self._part is not None:
            # Only distances matter, so a block counts from its first key.
            query, key = self._part.turn(query, left), self._part.turn(key)
            query, bias = self._part.bias(
                self, query, ops.shape(key)[2], scale, left
            )
        outputs = attend(
            query,
            key,
            value,
            mask=mask,
            bias=bias,
            dropout=self.dropout_layer,
            scale=scale,
            training=training,
        )
        return merge_heads(outputs)

    def call(
        self,
        inputs,
        padding_mask=None,
        use_causal_mask=False,
        cache=None,
        cache_index=None,
        training=False,
    ):
        query = self.query(inputs)
        key, value = self.key(inputs), self.value(inputs)  # (B, T, K H)
        if cache is not None:
            past = self._past(cache, cache_index, use_causal_mask)
            key, value = (
                ops.concatenate([ops.cast(old, new.dtype), new], axis=1)
                for old, new in zip(past, (key, value))
            )  # (B, left + T, K H)
            mask = self._mask_after(
                ops.shape(query)[1],
                ops.shape(key)[1],
                padding_mask,
                use_causal_mask,
                cache_index,
            )
            outputs = self._attend(
                query, key, value, mask, self._left, training
            )
            cache = self._moved_on(cache, key, value, ops.shape(query)[1])
            return self.output_projection(outputs), cache
        batch, length = ops.shape(inputs)[0], ops.shape(inputs)[1]
        size, left, right = self._block(inputs.shape[1])
        blocks = (length + size - 1) // size
        if padding_mask is None:
            real = ops.ones((batch, length, 1), dtype="int32")
        else:
            keys_mask(padding_mask)  # refuses other dtypes and ranks
            real = ops.expand_dims(ops.cast(padding_mask, "int32"), -1)
        real = windows(real, blocks, size, left, right)  # (B G, W, 1)
        mask = combine_masks(
            self._reachable(
                size, left + size + right, left, right, use_causal_mask
            ),
            keys_mask(ops.squeeze(real, axis=-1) > 0),
        )
        outputs = self._attend(
            windows(query, blocks, size),
            windows(key, blocks, size, left, right),
            windows(value, blocks, size, left, right),
            mask,
            left,
            training,
        )  # (B G, C, N H)
        outputs = ops.reshape(
            outputs, (batch, blocks * size, outputs.shape[-1])
        )
        return self.output_projection(outputs[:, :length])

    def _past(self, cache, index, causal):
        """The cache's keys and values, `(B, left, K H)` each."""
        if self.right and not causal:
            raise ValueError(
                f"A cache holds the past, but right={self.right} looks into "
                "the future; use right=0, or chunks, to take pieces."
            )
        if index is None:
            raise ValueError(
                "A cache came without cache_index; give the number of tokens "
                "that came before (0 at first)."
            )
        if (
            self.chunk_size
            and isinstance(index, int)
            and (index % self.chunk_size)
        ):
            raise ValueError(
                f"cache_index={index} is inside a chunk of {self.chunk_size}; "
                "give whole chunks in each call but the last."
            )
        check_cache(cache, self._num_pairs, self._head_dim)
        places = cache["key"].shape[2]
        if places != self._left:
            raise ValueError(
                f"The cache has {places} places, but this layer looks back "
                f"{self._left}: empty_cache(batch, {self._left}, "
                f"{self._num_pairs}, {self._head_dim})."
            )
        return merge_heads(cache["key"]), merge_heads(cache["value"])

    def _mask_after(self, num_queries, num_keys, padding_mask, causal, index):
        """Mask of queries that follow a cache, some of it still empty."""
        came = ops.arange(num_keys, dtype="int32") >= self._left - ops.cast(
            index, "int32"
        )
        return combine_masks(
            self._reachable(
                num_queries, num_keys, self._left, self.right, causal
            ),
            keys_mask(ops.expand_dims(came, 0)),
            None if padding_mask is None else keys_mask(padding_mask),
        )

    def _moved_on(self, cache, key, value, num_new):
        """The cache of the last `left` of all these keys and values."""
        return {
            name: ops.cast(
                split_heads(kept[:, num_new:], self._num_pairs),
                cache[name].dtype,
            )
            for name, kept in (("key", key), ("value", value))
        }

    def compute_output_spec(self, inputs, *args, cache=None, **kwargs):
        outputs = keras.KerasTensor(inputs.shape, self.compute_dtype)
        if cache is None:
            return outputs
        return outputs, {
            name: keras.KerasTensor(kept.shape, kept.dtype)
            for name, kept in cache.items()
        }

    def get_config(self):
        names = (
            "num_heads window right chunk_size left_context head_dim dropout "
            "use_bias seed num_key_value_heads"
        ).split()
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in names},
            "positions": positions_config(self.positions),
        }


def _check_reach(window, right, chunk_size, left_context):
    """Raises a ValueError for a reach that is not one."""
    if (window is None) == (chunk_size is None):
        raise ValueError(
            f"Received window={window} and chunk_size={chunk_size}; expected "
            "one of them: window=16, or chunk_size=16 with a left_context."
        )
    unused = (
        ("left_context", left_context)
        if chunk_size is None
        else (
            "right",
            right,
        )
    )
    if unused[1]:
        raise ValueError(
            f"{unused[0]}={unused[1]} does not go with "
            f"{'window' if chunk_size is None else 'chunk_size'}: a window "
            "has window and right, a chunk has chunk_size and left_context."
        )
    for name, number, least in (
        ("window", window, 0),
        ("right", right, 0),
        ("chunk_size", chunk_size, 1),
        ("left_context", left_context, 0),
    ):
        if number is not None and (
            not isinstance(number, int) or number < least
        ):
            raise ValueError(
                f"{name} must be an int >= {least}, received {number!r}."
            )
