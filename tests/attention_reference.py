"""Attention of heads once more, in NumPy float64, one query at a time.

Shapes: `B` batch, `N` heads, `K` key/value heads, `T` queries, `S` keys, `H`
head dimension, `D` model dimension. `w` is a dict from a variable's path
below the layer to its value.
"""

import math

import numpy as np

from tests.reference import below, dense, rotate, sinusoid


def attend(query, key, value, mask=True, bias=0.0, soft_cap=None, scale=None):
    """`(B, N, T, H')` outputs and `(B, N, T, S)` weights."""
    query, key, value = (np.asarray(x, "float64") for x in (query, key, value))
    batch, heads, length, head_dim = query.shape
    groups = heads // key.shape[1]
    scale = head_dim**-0.5 if scale is None else scale
    shape = (batch, heads, length, key.shape[2])
    mask, bias = np.broadcast_to(mask, shape), np.broadcast_to(bias, shape)
    weights = np.zeros(shape)
    outputs = np.zeros((*shape[:3], value.shape[-1]))
    for b, n, i in np.ndindex(*shape[:3]):
        seen = np.flatnonzero(mask[b, n, i])
        if not len(seen):
            continue
        scores = key[b, n // groups, seen] @ query[b, n, i] * scale
        if soft_cap is not None:
            scores = soft_cap * np.tanh(scores / soft_cap)
        scores = scores + bias[b, n, i, seen]
        powers = np.exp(scores - scores.max())
        weights[b, n, i, seen] = powers / powers.sum()
        outputs[b, n, i] = weights[b, n, i] @ value[b, n // groups]
    return outputs, weights


def alibi_rate(head, num_heads):
    """By the rule of Press et al.: a geometric series, then every second."""
    power = 2 ** int(math.log2(num_heads))
    if head < power:
        return 2.0 ** (-8 * (head + 1) / power)
    return 2.0 ** (-8 * (2 * (head - power) + 1) / (2 * power))


def t5_bucket(distance, num_buckets, max_distance, bidirectional):
    """The bucket of one distance `query - key`."""
    first = 0
    if bidirectional:
        num_buckets //= 2
        first = num_buckets if distance < 0 else 0
        distance = abs(distance)
    distance = max(distance, 0)
    exact = num_buckets // 2
    if distance < exact:
        return first + distance
    share = math.log(distance / exact, max_distance / exact)
    bucket = exact + math.floor(share * (num_buckets - exact) + 1e-9)
    return first + min(bucket, num_buckets - 1)


def placed(query, key, w, positions, settings, dim, offset=0):
    """Query and key with positions in them, and the bias `(B, N, T, S)`.

    `positions` is a name of `attention_positions`, `settings` its numbers.
    """
    shape = (*query.shape[:3], key.shape[2])
    bias = np.zeros(shape)
    head_dim, wavelength = query.shape[-1], settings.get("max_wavelength", 1e4)
    if positions == "rotary":
        size = int(head_dim * settings.get("fraction", 1.0))
        pairs = settings.get("pairs", "halves")
        query, key = query.copy(), key.copy()
        for i in range(shape[2]):
            query[:, :, i, :size] = turned(
                query[:, :, i, :size], i + offset, wavelength, pairs
            )
        for j in range(shape[3]):
            key[:, :, j, :size] = turned(
                key[:, :, j, :size], j, wavelength, pairs
            )
        return query, key, bias
    for n, i, j in np.ndindex(*shape[1:]):
        distance = i + offset - j
        if positions == "alibi":
            bias[:, n, i, j] = -alibi_rate(n, shape[1]) * abs(distance)
        elif positions == "t5":
            bucket = t5_bucket(
                distance,
                settings.get("num_buckets", 32),
                settings.get("max_distance", 128),
                settings.get("bidirectional", True),
            )
            bias[:, n, i, j] = w["relative_bias"][bucket, n]
        elif positions == "relative":
            part = slice(n * head_dim, (n + 1) * head_dim)
            table = sinusoid(distance, dim, wavelength)
            where = table @ w["position/kernel"][:, part]
            known = query[:, n, i] + w["position_bias"][n, 0]
            bias[:, n, i, j] = known @ where / math.sqrt(head_dim)
    if positions == "relative":
        query = query + w["content_bias"]
    return query, key, bias


def turned(x, position, wavelength, pairs="halves"):
    return np.apply_along_axis(rotate, -1, x, position, wavelength, pairs)


def heads(x, num_heads):
    batch, length, inner = x.shape
    x = x.reshape(batch, length, num_heads, inner // num_heads)
    return x.transpose(0, 2, 1, 3)


def attention(
    x,
    w,
    num_heads,
    num_key_value_heads=None,
    context=None,
    positions=None,
    settings=None,
    mask=True,
    bias=0.0,
    soft_cap=None,
    offset=0,
):
    """A whole attention layer: outputs `(B, T, D)` and `(B, N, T, S)`."""
    x = np.asarray(x, "float64")
    context = x if context is None else np.asarray(context, "float64")
    pairs = num_key_value_heads or num_heads
    query = heads(dense(x, below(w, "query")), num_heads)
    key = heads(dense(context, below(w, "key")), pairs)
    value = heads(dense(context, below(w, "value")), pairs)
    query, key, by_position = placed(
        query, key, w, positions, settings or {}, x.shape[-1], offset
    )
    outputs, weights = attend(
        query, key, value, mask, bias + by_position, soft_cap
    )
    merged = outputs.transpose(0, 2, 1, 3).reshape(*x.shape[:2], -1)
    return dense(merged, below(w, "output")), weights
