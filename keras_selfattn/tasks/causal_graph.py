"""What an exported language model computes, in `keras.ops`.

A file has two signatures: `score`, the log-probabilities of a text's tokens,
and `decode_step`, one token more of each row. Caches go in and out as one
tensor, `(2 blocks, R, N, places, H)`; see `translation_graph.pack`.

Shapes: `B` texts, `T` tokens, `R` rows, `N` heads, `H` features a head, `D`
model dimension, `V` vocabulary.
"""

import numpy as np
from keras import ops

from keras_selfattn.export.signature import PartCheck, Signature
from keras_selfattn.tasks.translation_graph import pack, unpack

PAD_ID = 0


def score(transformer, token_ids, padding_id=PAD_ID):
    """How likely each token is behind those before it.

    Args:
        transformer: CausalTransformer.
        token_ids: int32 `(B, T)`, padded.
        padding_id: int, or None where no id is padding alone.

    Returns:
        dict of "next_ids", int32 `(B, T)`, the likeliest token behind each
        place, and "log_probabilities", float32 `(B, T)`, of the token at each
        place; 0 at the first place, before which nothing stands, and at
        padding.
    """
    return scored(transformer(token_ids), token_ids, padding_id)


def scored(logits, token_ids, padding_id=PAD_ID):
    """What `score` gives, from logits `(B, T, V)`."""
    logits = ops.cast(logits, "float32")
    # Padded and cut, and not cut alone: a text may have one token.
    following = ops.pad(token_ids, ((0, 0), (0, 1)))[:, 1:]  # (B, T)
    logs = picked(logits, following, padding_id)
    return {
        "next_ids": ops.cast(ops.top_k(logits, 1)[1][..., 0], "int32"),
        "log_probabilities": ops.pad(logs, ((0, 0), (1, 0)))[:, :-1],
    }


def picked(logits, labels, padding_id=PAD_ID):
    """Log-probabilities of labels: float32 `(B, T)`, 0 at padding."""
    logits = ops.cast(logits, "float32")
    ids = ops.arange(logits.shape[-1], dtype="int32")
    own = ops.cast(ops.expand_dims(labels, -1) == ids, "float32")
    logs = ops.sum(own * logits, axis=-1) - ops.logsumexp(logits, axis=-1)
    if padding_id is None:
        return logs
    return logs * ops.cast(ops.not_equal(labels, padding_id), "float32")


def decode_step(transformer, token_ids, position, cache):
    """One token of each row, `(R,)`.

    Returns:
        dict of "logits", float32 `(R, V)`, "hidden", float32 `(R, D)`, what
        they are made of, and "cache".
    """
    logits, hidden, caches = transformer.decode_step(
        ops.expand_dims(token_ids, 1),
        position,
        unpack(cache, cache.shape[0] // 2),
    )
    return {
        "logits": ops.cast(logits[:, 0], "float32"),
        "hidden": ops.cast(hidden[:, 0], "float32"),
        "cache": pack(caches),
    }


def cache_shape(transformer, rows, places):
    """Shape of the packed caches; `rows` or `places` None where it is open."""
    heads = transformer.num_heads
    head_dim = transformer.hidden_dim // heads
    return [2 * transformer.num_layers, rows, heads, places, head_dim]


def parts(transformer):
    """The signature `decode_step`; see `Task.export_parts`.

    How many places a cache has is up to who makes it: all of it is copied at
    each step, so it should have few more than are filled.
    """

    def decode(token_ids, position, cache):
        return decode_step(transformer, token_ids, position, cache)

    return {
        "decode_step": (
            decode,
            {
                "token_ids": ([None], "int32"),
                "position": ([], "int32"),
                "cache": (cache_shape(transformer, None, None), "float32"),
            },
        )
    }


def check(transformer, token_ids):
    """How a file's `decode_step` is held against Keras: a text, two rows.

    Args:
        transformer: CausalTransformer.
        token_ids: int32 `(T,)`, the first row; the second has them reversed.

    Returns:
        PartCheck.
    """

    def both(example):
        ids = example["token_ids"]
        return np.stack([ids, ids[::-1]])

    def found(run, example):
        rows, steps = both(example), []
        shape = cache_shape(transformer, 2, rows.shape[1])
        cache = np.zeros(shape, "float32")
        for position in range(rows.shape[1]):
            step = run(
                "decode_step",
                token_ids=np.ascontiguousarray(rows[:, position]),
                position=np.array(position, "int32"),
                cache=cache,
            )
            cache = step["cache"]
            steps.append(step["logits"])
        return {"log_probabilities": _log_softmax(np.stack(steps, axis=1))}

    def wanted(example):
        logits = ops.convert_to_numpy(transformer(both(example)))
        return {"log_probabilities": _log_softmax(logits)}

    signature = Signature(
        "decode_step",
        inputs={"token_ids": "int32"},
        outputs={"log_probabilities": "float32"},
        agreement="steps prefer the token that Keras prefers",
    )
    return PartCheck(signature, found, wanted, [{"token_ids": token_ids}])


def _log_softmax(logits):
    return ops.convert_to_numpy(
        ops.log_softmax(ops.cast(logits, "float32"), axis=-1)
    )
