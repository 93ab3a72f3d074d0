"""What an exported translator computes, in `keras.ops`.

Caches go in and out of a file as one tensor: keys and values of all decoder
blocks, `(2 blocks, B, N, places, H)`.

Shapes: `B` sources, `S` source tokens, `L` places of the caches, `N` heads,
`H` features a head, `V` target vocabulary.
"""

import numpy as np
from keras import ops

from keras_selfattn.export.signature import PartCheck, Signature
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
)


def pack(caches):
    """A list of `{"key", "value"}` as one tensor."""
    return ops.stack(
        [cache[name] for cache in caches for name in ("key", "value")]
    )


def unpack(packed, num_blocks):
    """Back from `pack`."""
    return [
        {"key": packed[2 * i], "value": packed[2 * i + 1]}
        for i in range(num_blocks)
    ]


def encode(transformer, source_ids):
    """Source ids `(B, S)` to the packed caches of the context."""
    mask = ops.not_equal(source_ids, PAD_ID)
    return pack(
        transformer.context_caches(transformer.encode(source_ids, mask))
    )


def decode_step(transformer, token_ids, position, cache, context, source_ids):
    """One token of each row, `(B,)`, to logits `(B, V)` and packed caches."""
    num_blocks = cache.shape[0] // 2
    logits, caches = transformer.decode_step(
        ops.expand_dims(token_ids, 1),
        position,
        unpack(cache, num_blocks),
        unpack(context, num_blocks),
        ops.not_equal(source_ids, PAD_ID),
    )
    return ops.cast(logits[:, 0], "float32"), pack(caches)


def greedy_ids(transformer, source_ids, max_length, banned_ids):
    """The whole greedy search, as a loop inside the graph.

    Args:
        transformer: Transformer.
        source_ids: int32 `(B, S)`, padded with 0.
        max_length: int, `L`; a row stops at twice its source and ten, too.
        banned_ids: ints never written.

    Returns:
        int32 `(B, L)`: the tokens without the end, then 0.
    """
    mask = ops.not_equal(source_ids, PAD_ID)
    context = transformer.context_caches(transformer.encode(source_ids, mask))
    batch = ops.shape(source_ids)[0]
    limits = 2 * ops.sum(ops.cast(mask, "int32"), axis=1) + 10  # (B,)
    limits = ops.minimum(limits, max_length)
    size = transformer.target_vocabulary_size or transformer.vocabulary_size
    never = np.zeros((1, size), "float32")
    never[:, list(banned_ids)] = -1e9
    never = ops.convert_to_tensor(never)
    places = ops.expand_dims(ops.arange(max_length, dtype="int32"), 0)

    def goes_on(position, last, running, written, caches):
        return ops.any(running)

    def write_one(position, last, running, written, caches):
        logits, caches = transformer.decode_step(
            ops.expand_dims(last, 1), position, caches, context, mask
        )
        scores = ops.add(ops.cast(logits[:, 0], "float32"), never)
        # Not argmax, which converts to no built-in operator.
        best = ops.cast(ops.top_k(scores, 1)[1][:, 0], "int32")
        running = ops.logical_and(running, best != EOS_ID)
        token = ops.where(running, best, ops.zeros_like(best))
        written = ops.where(
            places == position, ops.expand_dims(token, 1), written
        )
        running = ops.logical_and(running, position + 1 < limits)
        return position + 1, best, running, written, caches

    ones = ops.ones((batch,), dtype="int32")
    start = (
        ops.zeros((), dtype="int32"),
        BOS_ID * ones,
        ones > 0,
        ops.zeros((batch, max_length), dtype="int32"),
        transformer.self_caches(batch, max_length),
    )
    return ops.while_loop(goes_on, write_one, start)[3]


def cache_shape(transformer, rows, places):
    """Shape of the packed caches; `rows` or `places` None where it is open."""
    blocks = len(transformer.self_caches(1, 1))
    heads = transformer.num_heads
    return [2 * blocks, rows, heads, places, transformer.hidden_dim // heads]


def check(transformer, source, target, places):
    """How a file's `encode` and `decode_step` are held against Keras.

    Args:
        transformer: Transformer.
        source: int32 `(S,)`, with the end.
        target: int32 `(T,)`, what is to be written, with the end.
        places: int, `L`.

    Returns:
        PartCheck: of each step the likeliest token, and the
        log-probabilities of all.
    """
    begins = np.array([BOS_ID, *target[:-1]], "int32")

    def found(run, example):
        sources = example["source_ids"][np.newaxis]
        context = run("encode", source_ids=sources)["context"]
        cache = np.zeros(cache_shape(transformer, 1, places), "float32")
        rows = []
        for position, token in enumerate(example["target_ids"]):
            step = run(
                "decode_step",
                token_ids=np.array([token], "int32"),
                position=np.array(position, "int32"),
                cache=cache,
                context=context,
                source_ids=sources,
            )
            cache = step["cache"]
            rows.append(step["logits"][0])
        return {"log_probabilities": _log_probabilities(np.stack(rows))}

    def wanted(example):
        batch = {name: ids[np.newaxis] for name, ids in example.items()}
        mask = np.ones(batch["source_ids"].shape, bool)
        logits = transformer({**batch, "source_padding_mask": mask})
        return {"log_probabilities": _log_probabilities(logits[0])}

    return PartCheck(
        Signature(
            "decode_step",
            inputs={"source_ids": "int32", "target_ids": "int32"},
            outputs={"log_probabilities": "float32"},
            agreement="steps prefer the token that Keras prefers",
        ),
        found,
        wanted,
        [{"source_ids": source, "target_ids": begins}],
    )


def _log_probabilities(logits):
    logits = ops.cast(logits, "float32")
    return ops.convert_to_numpy(ops.log_softmax(logits, axis=-1))


def parts(transformer):
    """The signatures `encode` and `decode_step`; see `Task.export_parts`.

    How many places a cache has is up to who makes it: all of it is copied at
    each step, so it should have few more than are filled.
    """

    def encode_sources(source_ids):
        return {"context": encode(transformer, source_ids)}

    def decode(token_ids, position, cache, context, source_ids):
        logits, cache = decode_step(
            transformer, token_ids, position, cache, context, source_ids
        )
        return {"logits": logits, "cache": cache}

    source = ([None, None], "int32")
    return {
        "encode": (encode_sources, {"source_ids": source}),
        "decode_step": (
            decode,
            {
                "token_ids": ([None], "int32"),
                "position": ([], "int32"),
                "cache": (cache_shape(transformer, None, None), "float32"),
                "context": (cache_shape(transformer, None, None), "float32"),
                "source_ids": source,
            },
        ),
    }
