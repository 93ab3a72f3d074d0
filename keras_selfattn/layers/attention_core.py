"""What every attention layer shares: heads, projections, `attend`.

Shapes: `B` batch, `T` queries, `S` keys, `N` heads, `K` key/value heads,
`H` head dimension, `D` model dimension.
"""

import keras
from keras import ops

from keras_selfattn.layers.fused_attention import (
    attend_fused,
    available,
    fills_empty_rows,
)
from keras_selfattn.layers.masks import (
    as_attention_mask,
    causal_mask,
    combine_masks,
)

# Hides a key: exp(-1e9) is 0 in float32, and a row of these stays finite.
HIDDEN = -1e9


def masked_softmax(scores, mask=None):
    """Softmax over the last axis, where the mask is True.

    Computed in float32 at least. A row without any True comes out uniform:
    see `attendable`, which the caller multiplies in where it is cheapest.

    Args:
        scores: float `(B, N, T, S)`.
        mask: bool, broadcastable to the scores, or None.
    """
    dtype = keras.backend.standardize_dtype(scores.dtype)
    if dtype in ("float16", "bfloat16"):
        scores = ops.cast(scores, "float32")
    if mask is not None:
        scores = ops.where(mask, scores, ops.cast(HIDDEN, scores.dtype))
    return ops.cast(ops.softmax(scores, axis=-1), dtype)


def attendable(mask, dtype):
    """1.0 where a query has any key, else 0.0: `(B|1, N|1, T|1, 1)`."""
    return ops.cast(ops.any(mask, axis=-1, keepdims=True), dtype)


def attend(
    query,
    key,
    value,
    mask=None,
    bias=None,
    soft_cap=None,
    dropout=None,
    scale=None,
    return_scores=False,
    training=False,
    causal=False,
):
    """Attention of heads: `softmax(cap(scale Q K') + bias, where mask) V`.

    Each key/value head serves `N / K` neighbouring query heads. A fused
    kernel does the work where it gives the same answer; the plain path does
    it where scores, a soft cap or dropout are asked for. A query with
    nothing to attend gets zeros.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; groups:
    Ainslie et al. 2023 (arXiv:2305.13245), section 2.2; soft cap: Gemma Team
    2024 (arXiv:2408.00118), section 2.

    Args:
        query: float `(B, N, T, H)`.
        key: float `(B, K, S, H)`, N a multiple of K.
        value: float `(B, K, S, H')`.
        mask: bool, broadcastable to `(B, N, T, S)`, of rank 4, True = may be
            attended; or None.
        bias: finite float, broadcastable to `(B, N, T, S)`, of rank 4, added
            to the scores; or None.
        soft_cap: float > 0, scores become `cap tanh(scores / cap)` before
            the bias; or None.
        dropout: a Dropout layer for the weights, or None.
        scale: float, default `H ** -0.5`.
        return_scores: bool, also return the weights after softmax.
        training: bool, whether dropout acts.
        causal: bool, query `i` may attend keys `0..i` only. Unlike a mask
            that says the same, it lets a kernel skip half of the work.

    Returns:
        float `(B, N, T, H')`; with `return_scores` also `(B, N, T, S)`.

    Raises:
        ValueError: where N is not a multiple of K.
    """
    num_heads, num_key_value_heads = query.shape[1], key.shape[1]
    if num_heads % num_key_value_heads:
        raise ValueError(
            f"{num_heads} query heads came with {num_key_value_heads} "
            "key/value heads; expected a multiple of them."
        )
    scale = query.shape[-1] ** -0.5 if scale is None else scale
    drops = dropout is not None and training and dropout.rate > 0
    needs_scores = return_scores or drops or soft_cap is not None
    if not needs_scores and available(query, key, value, mask, bias, causal):
        return _fused(query, key, value, mask, bias, causal, scale)
    if causal:
        mask = combine_masks(_triangle(query, key), mask)
    scores = _scores(query, key, bias, soft_cap, scale)
    weights = ops.cast(masked_softmax(scores, mask), value.dtype)
    dropped = dropout(weights, training=training) if drops else weights
    outputs = _grouped(dropped, value)
    if mask is not None:
        some = attendable(mask, outputs.dtype)
        outputs = outputs * some
    if not return_scores:
        return outputs
    return outputs, weights if mask is None else weights * some


def _triangle(query, key):
    """The causal mask of these queries and keys, `(1, 1, T, S)`."""
    mask = causal_mask(ops.shape(query)[2], ops.shape(key)[2])
    return as_attention_mask(mask)


def _fused(query, key, value, mask, bias, causal, scale):
    """The kernel's answer, with zeros for queries that have no key."""
    if mask is None or fills_empty_rows(query):
        return attend_fused(query, key, value, mask, bias, causal, scale)
    if causal:  # an empty row is then a matter of both
        mask = ops.logical_and(mask, _triangle(query, key))
    some = ops.any(mask, axis=-1, keepdims=True)
    mask = ops.logical_or(mask, ops.logical_not(some))
    outputs = attend_fused(query, key, value, mask, bias, False, scale)
    return outputs * ops.cast(some, outputs.dtype)


def _scores(query, key, bias, soft_cap, scale):
    """Scores before the mask; the scale goes on the smaller factor."""
    scores = _grouped(
        query * ops.cast(scale, query.dtype), ops.transpose(key, (0, 1, 3, 2))
    )
    if soft_cap is None and bias is None:
        return scores
    dtype = keras.backend.standardize_dtype(scores.dtype)
    if dtype in ("float16", "bfloat16"):
        scores = ops.cast(scores, "float32")
    if soft_cap is not None:
        scores = ops.tanh(scores / soft_cap) * soft_cap
    if bias is not None:
        scores = scores + ops.cast(bias, scores.dtype)
    return scores


def _grouped(left, right):
    """`left @ right`, `(B, N, T, X) @ (B, K, X, Y) -> (B, N, T, Y)`.

    The query heads of a group stand below one another, so that no key or
    value is copied.
    """
    num_heads, num_key_value_heads = left.shape[1], right.shape[1]
    if num_heads == num_key_value_heads:
        return ops.matmul(left, right)
    batch, _, rows, inner = ops.shape(left)
    groups = num_heads // num_key_value_heads
    stacked = ops.reshape(
        left, (batch, num_key_value_heads, groups * rows, inner)
    )
    product = ops.matmul(stacked, right)  # (B, K, N/K * T, Y)
    return ops.reshape(product, (batch, num_heads, rows, ops.shape(right)[-1]))


def keys_mask(padding_mask, name="padding_mask"):
    """A padding mask `(B, S)` as `(B, 1, 1, S)`.

    Raises:
        ValueError: where it is not boolean or not of rank 2.
    """
    mask = ops.convert_to_tensor(padding_mask)
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if dtype != "bool" or len(mask.shape) != 2:
        raise ValueError(
            f"{name} has dtype {dtype} and shape {tuple(mask.shape)}; "
            "expected bool (batch, length) with True = real (use `mask > 0` "
            "on a 0/1 mask; masks by query go into attention_mask)."
        )
    return ops.expand_dims(ops.expand_dims(mask, 1), 1)


def score_bias(attention_bias):
    """A bias `(T, S)`, `(B, T, S)` or `(B, N, T, S)` as rank 4.

    Raises:
        ValueError: where it is not of floats or of another rank.
    """
    bias = ops.convert_to_tensor(attention_bias)
    dtype = keras.backend.standardize_dtype(bias.dtype)
    rank = len(bias.shape)
    if not keras.backend.is_float_dtype(dtype) or rank not in (2, 3, 4):
        raise ValueError(
            f"attention_bias has dtype {dtype} and shape {tuple(bias.shape)}; "
            "expected floats (T, S), (B, T, S) or (B, N, T, S). What may be "
            "attended goes into attention_mask."
        )
    if rank == 4:
        return bias
    return ops.expand_dims(bias, 1 if rank == 3 else (0, 1))


def add_biases(*biases):
    """The sum of the biases that are not None; with none left, None."""
    biases = [bias for bias in biases if bias is not None]
    return sum(biases[1:], start=biases[0]) if biases else None


def split_heads(x, num_heads):
    """`(B, T, N * H)` -> `(B, N, T, H)`."""
    shape = ops.shape(x)
    x = ops.reshape(
        x, (shape[0], shape[1], num_heads, x.shape[-1] // num_heads)
    )
    return ops.transpose(x, (0, 2, 1, 3))


def merge_heads(x):
    """`(B, N, T, H)` -> `(B, T, N * H)`."""
    _, num_heads, _, head_dim = x.shape
    shape = ops.shape(x)
    x = ops.transpose(x, (0, 2, 1, 3))
    return ops.reshape(x, (shape[0], shape[2], num_heads * head_dim))


def check_heads(num_heads, head_dim=None, num_key_value_heads=None):
    """Raises a ValueError for numbers of heads that cannot be.

    Args:
        num_heads: int >= 1.
        head_dim: int >= 1, or None.
        num_key_value_heads: int >= 1 that divides `num_heads`, or None.
    """
    for name, number, optional in (
        ("num_heads", num_heads, False),
        ("head_dim", head_dim, True),
        ("num_key_value_heads", num_key_value_heads, True),
    ):
        if number is None and optional:
            continue
        if not isinstance(number, int) or number < 1:
            raise ValueError(
                f"{name} must be an int >= 1, received {number!r}."
            )
    if num_key_value_heads is not None and num_heads % num_key_value_heads:
        raise ValueError(
            f"num_heads={num_heads} does not divide by num_key_value_heads="
            f"{num_key_value_heads}; each key/value head serves the same "
            "number of query heads."
        )


def check_rates(dropout=0.0, soft_cap=None, scale=None):
    """Raises a ValueError for a dropout, cap or scale out of its range."""
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout={dropout} is outside [0, 1).")
    if soft_cap is not None and not soft_cap > 0:
        raise ValueError(
            f"soft_cap={soft_cap} must be > 0, or None for no cap."
        )
    if scale is not None and not scale > 0:
        raise ValueError(
            f"scale={scale} must be > 0, or None for 1 / sqrt(head_dim)."
        )


def head_size(dim, num_heads, head_dim=None):
    """`head_dim` or `dim / num_heads`; a ValueError where that breaks."""
    if head_dim is None and dim % num_heads:
        raise ValueError(
            f"The inputs' {dim} features do not divide by num_heads="
            f"{num_heads}; give head_dim or other num_heads."
        )
    return head_dim or dim // num_heads


def projection(layer, name, units, input_dim, use_bias=True):
    """A built Dense in the dtype policy of the layer it belongs to."""
    dense = keras.layers.Dense(
        units, use_bias=use_bias, dtype=layer.dtype_policy, name=name
    )
    dense.build((None, None, input_dim))
    return dense


def add_projections(layer, dim, inner_dim, pairs_dim=None, context_dim=None):
    """Gives an attention layer its four projections and its dropout.

    Args:
        layer: an attention layer, with `use_bias`, `dropout` and `seed`.
        dim: int, features of the inputs and outputs.
        inner_dim: int, features of all query heads.
        pairs_dim: int, features of all key/value heads; default `inner_dim`.
        context_dim: int, features of what keys and values are made of;
            default `dim`.
    """
    bias = layer.use_bias
    pairs_dim, context_dim = pairs_dim or inner_dim, context_dim or dim
    layer.query = projection(layer, "query", inner_dim, dim, bias)
    layer.key = projection(layer, "key", pairs_dim, context_dim, bias)
    layer.value = projection(layer, "value", pairs_dim, context_dim, bias)
    layer.output_projection = projection(layer, "output", dim, inner_dim, bias)
    layer.dropout_layer = keras.layers.Dropout(
        layer.dropout,
        seed=layer.seed,
        dtype=layer.dtype_policy,
        name="dropout",
    )
