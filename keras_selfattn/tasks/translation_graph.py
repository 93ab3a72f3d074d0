"""What an exported translator computes, in `keras.ops`.

Caches go in and out of a file as one tensor: keys and values of all decoder
blocks, `(2 blocks, B, N, places, H)`.

Shapes: `B` sources, `S` source tokens, `L` places of the caches, `N` heads,
`H` features a head, `V` target vocabulary.
"""

import numpy as np
from keras import ops

from keras_selfattn.decoding.search_in_graph import (
    HIDDEN,
    beam_in_graph,
    greedy_in_graph,
)
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


def greedy_ids(
    transformer,
    source_ids,
    max_length,
    banned_ids,
    begin_id=BOS_ID,
    end_id=EOS_ID,
):
    """The whole greedy search, as a loop inside the graph.

    Args:
        transformer: Transformer.
        source_ids: int32 `(B, S)`, padded with 0.
        max_length: int; a row stops at twice its source and ten, too.
        banned_ids: ints never written.
        begin_id, end_id: int, what stands before a text and ends it.

    Returns:
        int32 `(B, L)`, `L = 2 S + 10`: the tokens without the end, then 0.
    """
    step, state, blank, limits = _ready(transformer, source_ids, 1, max_length)
    return greedy_in_graph(
        step,
        state,
        blank,
        limits,
        _target_size(transformer),
        begin_id,
        end_id,
        banned_ids,
    )


def beam_ids(
    transformer,
    source_ids,
    beam_size,
    alpha,
    max_length,
    banned_ids,
    rules="gnmt",
    begin_id=BOS_ID,
    end_id=EOS_ID,
):
    """The whole beam search, likewise.

    Args:
        beam_size: int.
        alpha: float scalar or `(B,)`, length penalty; see `beam_search`.
        rules: see `beam_search`.
        transformer, source_ids, max_length, banned_ids, begin_id, end_id:
            see `greedy_ids`.

    Returns:
        as `greedy_ids`, and float32 `(B,)`, the scores.
    """
    step, state, blank, limits = _ready(
        transformer, source_ids, beam_size, max_length
    )
    return beam_in_graph(
        step,
        state,
        blank,
        limits,
        beam_size,
        _target_size(transformer),
        begin_id,
        end_id,
        alpha,
        banned_ids,
        rules,
    )


def _target_size(transformer):
    return transformer.target_vocabulary_size or transformer.vocabulary_size


def _ready(transformer, source_ids, beam_size, max_length):
    """Sources as a step for `decoding.search_in_graph`, before its first.

    Returns:
        step, state, blank, limits: as the search takes them.
    """
    mask = ops.not_equal(source_ids, PAD_ID)
    context = transformer.context_caches(transformer.encode(source_ids, mask))
    tokens = ops.sum(ops.cast(mask, "int32"), axis=1)  # (B,)
    limits = ops.minimum(2 * tokens + 10, max_length)
    limits = limits * ops.cast(tokens > 0, "int32")
    source_bias = ops.where(mask, 0.0, HIDDEN)  # (B, S)
    source_bias = ops.expand_dims(ops.expand_dims(source_bias, 1), 1)
    # Twice a tensor of the source's length and ten, not zeros of a computed
    # shape: so an interpreter knows all shapes before it runs.
    blank = _twice_and_ten(ops.zeros_like(source_ids), 1, 1)
    caches = [
        {
            name: _twice_and_ten(ops.zeros_like(cache[name]), 2, beam_size)
            for name in ("key", "value")
        }
        for cache in context
    ]
    table = transformer.position_table(max_length)

    def step(token_ids, position, seen, caches):
        return transformer.continue_rows(
            token_ids,
            beam_size,
            position,
            seen,
            caches,
            context,
            source_bias,
            table,
        )

    return step, caches, blank, limits


def _twice_and_ten(x, axis, times):
    """Zeros of `times (2 S + 10)` places, from zeros of `S` along an axis."""
    repeats, more = [1] * len(x.shape), [(0, 0)] * len(x.shape)
    repeats[axis], more[axis] = 2 * times, (0, 10 * times)
    return ops.pad(ops.tile(x, repeats), more)


def cache_shape(transformer, rows, places):
    """Shape of the packed caches; `rows` or `places` None where it is open."""
    caches = transformer.self_caches(1, 1)
    _, heads, _, head_dim = caches[0]["key"].shape
    return [2 * len(caches), rows, heads, places, head_dim]


def check(transformer, source, target, places, begin_id=BOS_ID):
    """How a file's `encode` and `decode_step` are held against Keras.

    Args:
        transformer: Transformer.
        source: int32 `(S,)`, with the end.
        target: int32 `(T,)`, what is to be written, with the end.
        places: int, `L`.
        begin_id: int, what stands before a text.

    Returns:
        PartCheck: of each step the likeliest token, and the
        log-probabilities of all.
    """
    begins = np.array([begin_id, *target[:-1]], "int32")

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
