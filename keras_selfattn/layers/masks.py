"""Attention masks: boolean, True = may be attended, everywhere.

Shapes: `B` batch, `T` queries, `S` keys.
"""

import keras
from keras import ops


def padding_mask(lengths, max_length):
    """True for the first `lengths[b]` places: int `(B,)` -> bool `(B, S)`.

    Example:
        >>> padding_mask([1, 3], 3)
        [[True, False, False], [True, True, True]]
    """
    lengths = ops.cast(ops.convert_to_tensor(lengths), "int32")
    return ops.arange(max_length, dtype="int32") < ops.expand_dims(lengths, -1)


def causal_mask(num_queries, num_keys=None, offset=0):
    """True where a key is not in the query's future: bool `(T, S)`.

    Query `i` stands at position `i + offset`; key `j` at position `j`.

    Example:
        >>> causal_mask(2, 3, offset=1)
        [[True, True, False], [True, True, True]]
    """
    num_keys = num_queries if num_keys is None else num_keys
    # Compared as columns and rows of aranges, and not by `tri`: this
    # converts without Flex where the length is unknown.
    queries = ops.arange(num_queries, dtype="int32") + offset
    keys = ops.arange(num_keys, dtype="int32")
    return ops.expand_dims(keys, 0) <= ops.expand_dims(queries, 1)


def local_mask(num_positions, left, right):
    """True where `-left <= key - query <= right`: bool `(T, T)`.

    `left` or `right` None leaves that side unlimited.

    Example:
        >>> local_mask(3, left=1, right=0)
        [[True, False, False], [True, True, False], [False, True, True]]
    """
    index = ops.arange(num_positions, dtype="int32")
    distance = ops.expand_dims(index, 0) - ops.expand_dims(index, 1)
    mask = ops.ones_like(distance, dtype="bool")
    if left is not None:
        mask = ops.logical_and(mask, distance >= -left)
    if right is not None:
        mask = ops.logical_and(mask, distance <= right)
    return mask


def chunk_mask(num_positions, chunk_size, left_context=0):
    """True where a key is in the query's chunk or shortly before: `(T, T)`.

    Query `i` of the chunk that begins at `c = i - i % chunk_size` attends the
    keys `c - left_context <= j < c + chunk_size`; `left_context` None leaves
    the past unlimited.

    Example:
        >>> chunk_mask(4, chunk_size=2, left_context=1)
        [[True, True, False, False], [True, True, False, False],
         [False, True, True, True], [False, True, True, True]]
    """
    keys = ops.arange(num_positions, dtype="int32")
    starts = ops.expand_dims(keys - ops.mod(keys, chunk_size), 1)
    mask = keys < starts + chunk_size
    if left_context is not None:
        mask = ops.logical_and(mask, keys >= starts - left_context)
    return mask


def combine_masks(*masks):
    """Logical and of the masks given, each broadcastable to `(B, N, T, S)`.

    `(B, S)` padding masks come in as `(B, 1, 1, S)`, `(T, S)` masks as
    `(1, 1, T, S)` and `(B, T, S)` masks as `(B, 1, T, S)`: see
    `as_attention_mask`. None entries are left out; with nothing left, None.
    """
    masks = [mask for mask in masks if mask is not None]
    if not masks:
        return None
    result = masks[0]
    for mask in masks[1:]:
        result = ops.logical_and(result, mask)
    return result


def as_attention_mask(mask):
    """Any boolean attention mask as rank 4, broadcastable to `(B, N, T, S)`.

    Raises:
        ValueError: where the mask is not boolean or not of rank 2, 3 or 4:
            `(T, S)`, `(B, T, S)` or `(B, N, T, S)`.
    """
    mask = ops.convert_to_tensor(mask)
    dtype = keras.backend.standardize_dtype(mask.dtype)
    if dtype != "bool":
        raise ValueError(
            f"attention_mask has dtype {dtype}; expected bool with True = "
            "may be attended (use `mask > 0` on a 0/1 mask)."
        )
    rank = len(mask.shape)
    if rank == 2:
        return ops.expand_dims(ops.expand_dims(mask, 0), 0)
    if rank == 3:
        return ops.expand_dims(mask, 1)
    if rank == 4:
        return mask
    raise ValueError(
        f"attention_mask has shape {tuple(mask.shape)}; expected (T, S), "
        "(B, T, S) or (B, N, T, S)."
    )
