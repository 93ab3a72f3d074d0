"""Attention of several texts that go on from one source: the rows of a beam.

All rows of a source are queries to ONE cache. What a row reads at position
`t` is the cache's entry `t K + row` and stays there; which entries a row goes
on from is said by a bias. So nothing is moved when a search drops a row and
doubles another, and the keys of the context stand there once.

What the layers compute is what their calls compute; what differs is that rows
stand below one another `(B K, D)`, with few operators between the products: a
step of decoding is short enough for each of them to count.

Shapes: `B` sources, `K` rows of each, `R = B K`, `D` model dimension, `N`
heads, `H` head dimension, `L` places of the cache, `S` places of the context.
"""

from keras import ops

from keras_selfattn.layers.attention_core import add_biases, attend


def split_rows(x, rows, num_heads):
    """`(R, N * H)` -> `(B, N, K, H)`."""
    head_dim = x.shape[-1] // num_heads
    if rows == 1:
        return ops.reshape(x, (-1, num_heads, 1, head_dim))
    x = ops.reshape(x, (-1, rows, num_heads, head_dim))
    return ops.transpose(x, (0, 2, 1, 3))


def merge_rows(x):
    """`(B, N, K, H)` -> `(R, N * H)`."""
    _, num_heads, rows, head_dim = x.shape
    if rows != 1:
        x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (-1, num_heads * head_dim))


def attend_own(layer, x, rows, cache, position, seen):
    """Self-attention of one token of each row.

    Args:
        layer: MultiHeadSelfAttention, built.
        x: float `(R, D)`.
        rows: int, `K`.
        cache: dict of float `(B, N, L K, H)` under "key" and "value".
        position: int scalar tensor, tokens that each row has read so far.
        seen: float `(B, 1, K, L K)`, added to the scores: 0 for the entries
            a row goes on from and its own new one, else a large negative.

    Returns:
        float `(R, D)`, and the cache with the entries of these tokens.
    """
    query = split_rows(layer.query(x), rows, layer.num_heads)
    key = split_rows(layer.key(x), rows, layer._num_pairs)
    value = split_rows(layer.value(x), rows, layer._num_pairs)
    scale, bias = layer._scale, None
    if layer._part is not None:
        query, key = (
            _turned(layer._part, heads, position) for heads in (query, key)
        )
    zero = ops.zeros((), dtype="int32")
    start = ops.stack([zero, zero, rows * position, zero])
    cache = {
        name: ops.slice_update(
            cache[name], start, ops.cast(new, cache[name].dtype)
        )
        for name, new in (("key", key), ("value", value))
    }
    key, value = (
        ops.cast(cache[name], query.dtype) for name in ("key", "value")
    )
    if layer._part is not None:
        num_places = ops.shape(key)[2] // rows
        query, bias = _by_position(layer, query, num_places, scale, position)
    outputs = attend(
        query,
        key,
        value,
        bias=add_biases(bias, seen),
        soft_cap=layer.soft_cap,
        scale=scale,
    )
    return layer.output_projection(merge_rows(outputs)), cache


def attend_context(layer, x, rows, cache, bias):
    """Cross-attention of one token of each row.

    Args:
        layer: MultiHeadCrossAttention without positions, built.
        x: float `(R, D)`.
        rows: int, `K`.
        cache: dict that `layer.context_cache` made, `(B, N, S, H)`.
        bias: float `(B, 1, 1, S)`, added to the scores.

    Returns:
        float `(R, D)`.
    """
    query = split_rows(layer.query(x), rows, layer.num_heads)
    key, value = (
        ops.cast(cache[name], query.dtype) for name in ("key", "value")
    )
    outputs = attend(
        query,
        key,
        value,
        bias=bias,
        soft_cap=layer.soft_cap,
        scale=layer._scale,
    )
    return layer.output_projection(merge_rows(outputs))


def _turned(part, x, position):
    """`part.turn` for rows that all stand at one position."""
    _, num_heads, rows, head_dim = x.shape
    x = ops.reshape(x, (-1, num_heads * rows, 1, head_dim))
    x = part.turn(x, position)
    return ops.reshape(x, (-1, num_heads, rows, head_dim))


def _by_position(layer, query, num_places, scale, position):
    """`part.bias` likewise: the query, and a bias `(B|1, N, K|1, L K)`."""
    _, num_heads, rows, head_dim = query.shape
    single = ops.transpose(query, (0, 2, 1, 3))
    single = ops.reshape(single, (-1, num_heads, 1, head_dim))
    single, bias = layer._part.bias(layer, single, num_places, scale, position)
    query = ops.reshape(single, (-1, rows, num_heads, head_dim))
    query = ops.transpose(query, (0, 2, 1, 3))
    if bias is None:
        return query, None
    bias = ops.repeat(bias, rows, axis=-1)  # (R|1, N, 1, L K)
    if bias.shape[0] == 1:
        return query, bias
    bias = ops.reshape(bias, (-1, rows, num_heads, rows * num_places))
    return query, ops.transpose(bias, (0, 2, 1, 3))
