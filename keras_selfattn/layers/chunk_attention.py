"""Self-attention of a chunk that has just come to what came before it.

Shapes: `B` batch, `C` positions of the chunk, `P` places of the past, `N`
heads, `K` key/value heads, `H` head dimension, `D` model dimension.
"""

from keras import ops

from keras_selfattn.layers.attention_core import (
    attend,
    keys_mask,
    merge_heads,
    split_heads,
)


def attend_chunk(layer, inputs, past, came, padding_mask):
    """What `layer` gives for a chunk under `masks.chunk_mask`.

    The chunk attends all of itself and the `P` positions before it, whose
    keys and values `past` holds as they were projected, before any position
    was put into them: only distances matter, so positions count from the
    first place of the past, whatever the length of the stream.

    Args:
        layer: a built MultiHeadSelfAttention.
        inputs: float `(B, C, D)`.
        past: dict of float `(B, P, K H)` under "key" and "value"; the last
            place is the position before the chunk.
        came: bool `(B, P)`, True where a place holds a real position.
        padding_mask: bool `(B, C)`, True = real.

    Returns:
        float `(B, C, D)` and the past of the next chunk, a dict.
    """
    places = past["key"].shape[1]
    came, padding_mask = map(ops.convert_to_tensor, (came, padding_mask))
    new = {"key": layer.key(inputs), "value": layer.value(inputs)}
    joined = {
        name: ops.concatenate([ops.cast(past[name], x.dtype), x], axis=1)
        for name, x in new.items()
    }  # (B, P + C, K H)
    num_pairs = layer.num_key_value_heads or layer.num_heads
    query = split_heads(layer.query(inputs), layer.num_heads)
    key = split_heads(joined["key"], num_pairs)
    value = split_heads(joined["value"], num_pairs)
    scale, bias, part = layer._scale, None, layer._part
    if part is not None:
        query, key = part.turn(query, places), part.turn(key)
        num_keys = places + inputs.shape[1]
        query, bias = part.bias(layer, query, num_keys, scale, places)
    mask = keys_mask(ops.concatenate([came, padding_mask], axis=1))
    outputs = attend(
        query,
        key,
        value,
        mask=mask,
        bias=bias,
        soft_cap=layer.soft_cap,
        scale=scale,
    )
    following = {
        name: ops.cast(x[:, x.shape[1] - places :], past[name].dtype)
        for name, x in joined.items()
    }
    return layer.output_projection(merge_heads(outputs)), following
