"""Keys and values of the past, kept in places of a fixed number.

A cache is a dict of two tensors, `{"key": (B, K, S, H), "value": ...}`, so it
passes through compiled steps, `ops.while_loop` and exported graphs, whose
shapes must not grow. `S` is how many tokens it can hold.

Shapes: `B` batch, `K` key/value heads, `T` new tokens, `S` places of the
cache, `H` head dimension.
"""

import operator

from keras import ops


def empty_cache(
    batch, max_length, num_key_value_heads, head_dim, dtype="float32"
):
    """A cache without anything in it.

    Args:
        batch: int or int scalar tensor, rows.
        max_length: int, tokens it can hold.
        num_key_value_heads: int, as the attention layer has.
        head_dim: int, features a head.
        dtype: str, the layer's compute dtype.

    Returns:
        dict of float `(B, K, S, H)` under "key" and "value".

    Example:
        >>> empty_cache(2, 16, 4, 32)["key"].shape
        (2, 4, 16, 32)
    """
    shape = (batch, num_key_value_heads, max_length, head_dim)
    return {
        "key": ops.zeros(shape, dtype=dtype),
        "value": ops.zeros(shape, dtype=dtype),
    }


def empty_caches(blocks, batch, max_length, num_heads, head_dim):
    """Empty caches of a stack of blocks with an `attention`, one a block.

    Args:
        blocks: list of layers.
        batch, max_length, num_heads, head_dim: see `empty_cache`.

    Returns:
        list of dicts, each in its attention's compute dtype.
    """
    return [
        empty_cache(
            batch,
            max_length,
            num_heads,
            head_dim,
            block.attention.compute_dtype,
        )
        for block in blocks
    ]


def update_cache(cache, key, value, cache_index):
    """The cache with new keys and values from place `cache_index` on.

    Args:
        cache: dict, see `empty_cache`.
        key: float `(B, K, T, H)`.
        value: float `(B, K, T, H)`.
        cache_index: int or int scalar tensor, tokens already in the cache.

    Returns:
        a new dict; the old one is left as it was.

    Raises:
        ValueError: where the new tokens do not fit into what is left, as far
            as `cache_index` is known: inside a compiled graph it is not, and
            the last places are then overwritten.
    """
    num_new, num_places = key.shape[2], cache["key"].shape[2]
    index = _known(cache_index)
    if isinstance(num_new, int) and isinstance(num_places, int):
        first = 0 if index is None else index
        if first < 0 or first + num_new > num_places:
            raise ValueError(
                f"The cache is full: it holds max_length={num_places} tokens "
                f"and {num_new} came at cache_index={cache_index}; make it "
                "with a larger max_length or start again."
            )
    zero = ops.zeros((), dtype="int32")
    start = ops.stack([zero, zero, ops.cast(cache_index, "int32"), zero])
    return {
        name: ops.slice_update(
            cache[name], start, ops.cast(new, cache[name].dtype)
        )
        for name, new in (("key", key), ("value", value))
    }


def filled_mask(cache, num_new, cache_index):
    """True for the places that hold a token after the update: `(1, S)`."""
    places = ops.arange(ops.shape(cache["key"])[2], dtype="int32")
    filled = ops.cast(cache_index, "int32") + ops.cast(num_new, "int32")
    return ops.expand_dims(places < filled, 0)


def check_cache(cache, num_key_value_heads, head_dim):
    """Raises a ValueError for a cache of another layer's shape."""
    if not isinstance(cache, dict) or set(cache) != {"key", "value"}:
        raise ValueError(
            f"The cache must be a dict of 'key' and 'value' (empty_cache "
            f"makes one), received {type(cache).__name__}."
        )
    for name, tensor in cache.items():
        shape = tuple(tensor.shape)
        if len(shape) != 4 or (shape[1], shape[3]) != (
            num_key_value_heads,
            head_dim,
        ):
            raise ValueError(
                f"The cache's {name!r} has shape {shape}; expected (batch, "
                f"num_key_value_heads={num_key_value_heads}, max_length, "
                f"head_dim={head_dim})."
            )


def _known(index):
    """The int that `index` holds, or None inside a graph."""
    try:
        # Not `int`, which AutoGraph turns into an operation of the graph.
        return operator.index(index)
    except TypeError:
        return None
