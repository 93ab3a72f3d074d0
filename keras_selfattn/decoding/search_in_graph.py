"""Greedy and beam search as a loop inside a graph, in `keras.ops`.

They write what `greedy_search` and `beam_search` write, token for token, for
compiled models and exported files: nothing but tensors, shapes that do not
change, few operators a step.

The step function is asked for `R = B K` rows, those of a source below one
another (greedy: `K = 1`):

    logits, state = step(token_ids, position, seen, state)

`token_ids` is int32 `(R,)`, `position` an int32 scalar, `state` nested tensors
that only grow: what row `k` reads at position `t` is entry `t K + k`, and is
never moved. `seen`, float32 `(B|1, 1, K, L K)`, says which entries a row goes
on from: 0 for these and for its own new one, `HIDDEN` for the others, to be
added to scores of attention `(B, N, K, L K)`. `logits` is `(R, V)`.

Shapes: `B` sources, `K` beam, `R = B K` rows, `L` places, `V` vocabulary.
"""

import numpy as np
from keras import ops

from keras_selfattn.decoding.whole_loop import whole_loop

HIDDEN = -1e9  # added to a score: its exp is 0, and sums stay finite
LOWEST = -5e8  # what is below has a banned token in it, or is no text at all
NOTHING = -1e30  # below all that


def greedy_in_graph(
    step, state, blank, limits, vocabulary_size, bos_id, eos_id, banned_ids=()
):
    """Each source's best token until the end; see `greedy_search`.

    Args:
        step: step function, see above.
        state: its state before the first token.
        blank: int32 zeros `(B, L)`, a place for each token.
        limits: int32 `(B,)`, most tokens before the end, at most `L`.
        vocabulary_size: int, `V`.
        bos_id: int, the token before every text.
        eos_id: int, the token that ends a text.
        banned_ids: ints never written.

    Returns:
        int32 `(B, L)`, the tokens without the end, then 0.
    """
    banned = _banned(vocabulary_size, banned_ids)
    open_place = ops.zeros((1, 1), dtype="float32")

    def goes_on(position, last, running, written, seen, state):
        return ops.any(running)

    def write_one(position, last, running, written, seen, state):
        seen = ops.slice_update(seen, _column(position), open_place)
        rank_4 = ops.expand_dims(ops.expand_dims(seen, 0), 0)
        logits, state = step(last, position, rank_4, state)
        # Not argmax, which converts to no built-in operator.
        _, best = top_of_many(ops.cast(logits, "float32") + banned, 1)
        last = ops.reshape(best, (-1,))
        running = ops.logical_and(running, last != eos_id)
        token = best * ops.expand_dims(ops.cast(running, "int32"), 1)
        written = ops.slice_update(written, _column(position), token)
        position = position + 1
        running = ops.logical_and(running, position < limits)
        return position, last, running, written, seen, state

    start = (
        ops.zeros((), dtype="int32"),
        ops.zeros_like(limits) + bos_id,
        limits > 0,
        blank,
        ops.cast(blank[:1], "float32") + HIDDEN,
        state,
    )
    return whole_loop(goes_on, write_one, start)[3]


def beam_in_graph(
    step,
    state,
    blank,
    limits,
    beam_size,
    vocabulary_size,
    bos_id,
    eos_id,
    alpha,
    banned_ids=(),
    rules="gnmt",
):
    """The best text of each source; see `beam_search`.

    Args:
        step: step function, see above.
        state: its state before the first token, for `L K` entries a source.
        blank: int32 zeros `(B, L)`, a place for each token.
        limits: int32 `(B,)`, most tokens before the end, at most `L`.
        beam_size: int >= 1, `K`.
        vocabulary_size: int, `V`.
        bos_id: int, the token before every text.
        eos_id: int, the token that ends a text.
        alpha: float scalar or `(B,)`, the length penalty's.
        banned_ids: ints never written.
        rules: see `beam_search`.

    Returns:
        int32 `(B, L)`, the tokens without the end, then 0, and float32
        `(B,)`, their score.
    """
    alpha = ops.cast(alpha, "float32")
    banned = _banned(vocabulary_size, banned_ids)
    best_of = min(2 * beam_size, beam_size * vocabulary_size)
    num_sources = ops.shape(blank)[0]
    one_source = isinstance(num_sources, int) and num_sources == 1
    sources = ops.expand_dims(ops.arange(num_sources, dtype="int32"), 1)
    entries = ops.tile(ops.cast(blank, "float32"), (1, beam_size))  # (B, L K)
    own = np.full((beam_size, beam_size), HIDDEN, "float32")
    np.fill_diagonal(own, 0.0)
    own = ops.tile(ops.convert_to_tensor(own), (num_sources, 1))  # (R, K)

    theirs = rules != "gnmt"

    def penalty(length):
        if theirs:
            return ops.power(ops.cast(length, "float32"), alpha)
        return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, alpha)

    last_penalty = penalty(limits + 1)  # (B,)

    def among_all(index, each):
        """Index `(B, J)` into `each` of every source as one into all."""
        if not one_source:
            index = index + sources * each
        return ops.reshape(index, (-1,))

    def by_source(x):
        """`(R, J)` -> `(B, K, J)`."""
        if one_source:
            return ops.expand_dims(x, 0)
        return ops.reshape(x, (num_sources, beam_size, ops.shape(x)[1]))

    def goes_on(position, last, totals, written, seen, ended, state):
        return ops.any(ended["running"])

    def write_one(position, last, totals, written, seen, ended, state):
        seen = ops.slice_update(seen, _column(beam_size * position), own)
        logits, state = step(
            last, position, ops.expand_dims(by_source(seen), 1), state
        )
        values, parents, tokens = _best_continuations(
            ops.cast(logits, "float32"), banned, totals, best_of, theirs
        )  # (B, 2K)
        parents = among_all(parents, beam_size)
        ends = ops.equal(tokens, eos_id)
        # Of all 2K, the K best that do not end; of the K best, those that do.
        totals, order = ops.top_k(ops.where(ends, NOTHING, values), beam_size)
        order = among_all(ops.cast(order, "int32"), best_of)
        rows = ops.take(parents, order, axis=0)  # (R,)
        last = ops.take(ops.reshape(tokens, (-1,)), order, axis=0)
        ending = ops.where(ends, values, NOTHING)[:, :beam_size]
        final, place = ops.top_k(ending, 1)
        place = among_all(ops.cast(place, "int32"), best_of)
        final_text = ops.take(written, ops.take(parents, place, axis=0), axis=0)
        written = ops.slice_update(
            ops.take(written, rows, axis=0),
            _column(position),
            ops.expand_dims(last, 1),
        )
        position = position + 1
        now = penalty(position)
        found = (
            ended,
            ops.sum(ops.cast(ending > LOWEST, "int32"), axis=1),
            (ops.reshape(final, (-1,)) / now, final_text),
            (totals[:, 0] / now, by_source(written)[:, 0]),
            position >= limits,
            totals[:, 0] / last_penalty,
            beam_size,
        )
        if theirs:
            ending = ending / ops.expand_dims(now + zeros, 1)
            ended = _end_as_transformers(*found, ending, rules)
        else:
            ended = _end(*found)
        seen = ops.take(seen, rows, axis=0)
        return position, last, totals, written, seen, ended, state

    zeros = ops.cast(ops.zeros_like(limits), "float32")
    totals = np.full((1, beam_size), NOTHING, "float32")
    before = {"count": ops.zeros_like(limits)}
    if theirs:
        none = ops.convert_to_tensor(totals + 0.0)
        before = {"scores": ops.expand_dims(zeros, 1) + none}
    totals[0, 0] = 0.0  # rows begin alike: only the first may go on
    start = (
        ops.zeros((), dtype="int32"),
        ops.repeat(ops.zeros_like(limits) + bos_id, beam_size, axis=0),
        ops.expand_dims(zeros, 1) + ops.convert_to_tensor(totals),
        ops.repeat(blank, beam_size, axis=0),
        ops.repeat(entries, beam_size, axis=0) + HIDDEN,
        {
            "running": limits > 0,
            **before,
            "score": zeros + NOTHING,
            "text": blank,
        },
        state,
    )
    ended = whole_loop(goes_on, write_one, start)[5]
    return ended["text"], ended["score"]


def _end(ended, count, final, first, at_limit, best_possible, beam_size):
    """What is known of the ended texts after one token more.

    Args:
        ended: dict of "running", "count" (of ended texts), and "score" and
            "text" of the best of them.
        count: int32 `(B,)`, texts that end here.
        final: score `(B,)` and text `(B, L)` of the best of these.
        first: likewise of the best that goes on.
        at_limit: bool `(B,)`, whether none may go on.
        best_possible: float `(B,)`, what those that go on can reach at most.
        beam_size: int.

    Returns:
        `ended`, brought up to date.
    """
    running = ended["running"]
    none_yet = ops.equal(ended["count"] + count, 0)
    cut = ops.logical_and(at_limit, none_yet)  # unfinished, for want of others
    better = ops.logical_and(
        running, ops.logical_or(cut, final[0] > ended["score"])
    )
    score, text = (
        ops.where(as_column(better), ops.where(as_column(cut), one, other), old)
        for one, other, old, as_column in (
            (first[0], final[0], ended["score"], lambda x: x),
            (first[1], final[1], ended["text"], lambda x: x[:, None]),
        )
    )
    count = ended["count"] + count
    rival = ops.where(count >= beam_size, first[0], best_possible)
    goes_on = ops.logical_and(score < rival, ops.logical_not(at_limit))
    return {
        "running": ops.logical_and(running, goes_on),
        "count": count,
        "score": score,
        "text": text,
    }


def _end_as_transformers(
    ended, count, final, first, at_limit, forced, beam_size, ending, rules
):
    """As `_end`, by the rules of `transformers`; see `beam_search`.

    Args:
        ended: dict of "running", "scores", float32 `(B, K)` of the best texts
            that have ended, and "score" and "text" of the very best.
        count, final, first, at_limit, beam_size: see `_end`.
        forced: float `(B,)`, score of `first` where its end comes for nothing.
        ending: float32 `(B, K)`, scores of the texts that end here.
        rules: see `beam_search`.
    """
    running = ended["running"]
    scores, _ = ops.top_k(
        ops.concatenate([ended["scores"], ending], axis=1), beam_size
    )
    done = scores[:, beam_size - 1] >= first[0]
    cut, counts = first[0], count < beam_size
    if rules == "transformers_forced":
        cut, counts = forced, ops.logical_not(done)
    counts = ops.logical_and(ops.logical_and(running, at_limit), counts)
    score, text = ended["score"], ended["text"]
    for new, new_text, allowed in (
        (*final, running),
        (cut, first[1], counts),
    ):
        better = ops.logical_and(allowed, new > score)
        score = ops.where(better, new, score)
        text = ops.where(better[:, None], new_text, text)
    stops = ops.logical_or(done, at_limit)
    return {
        "running": ops.logical_and(running, ops.logical_not(stops)),
        "scores": scores,
        "score": score,
        "text": text,
    }


def _best_continuations(logits, banned, totals, best_of, all_count):
    """The best tokens of all rows of a source.

    Args:
        logits: float32 `(R, V)`.
        banned: see `_banned`.
        all_count: bool, what is banned takes part in the sum of probabilities.
        totals: float32 `(B, K)`, log-probabilities of the rows so far.
        best_of: int, how many.

    Returns:
        float32 `(B, best_of)`, log-probabilities with these tokens, best
        first, and int32, the row among its source's and the token.
    """
    vocabulary_size, beam_size = logits.shape[1], totals.shape[1]
    if not all_count:
        logits = logits + banned
    peak = ops.max(logits, axis=1, keepdims=True)
    total = ops.sum(ops.exp(logits - peak), axis=1, keepdims=True)
    so_far = ops.reshape(totals, (-1, 1)) - (peak + ops.log(total))  # (R, 1)
    if all_count:
        logits = logits + banned
    sums = ops.reshape(logits + so_far, (-1, beam_size * vocabulary_size))
    values, best = top_of_many(sums, best_of)
    if beam_size == 1:
        return values, ops.zeros_like(best), best
    rows = ops.floor_divide(best, vocabulary_size)
    return values, rows, best - vocabulary_size * rows


def top_of_many(x, count):
    """`ops.top_k` of long rows: first the best blocks, then what is in them.

    The `count` largest are in the `count` blocks whose largest are largest.
    Finding the largest of each block is one fast pass; a heap over all of a
    vocabulary is not.

    Args:
        x: float `(B, M)`, M known.
        count: int.

    Returns:
        float and int32 `(B, count)`: values, largest first, and places.
    """
    length = x.shape[1]
    width = _block_width(length, count)
    if width is None:
        values, places = ops.top_k(x, count)
        return values, ops.cast(places, "int32")
    num_blocks = length // width
    blocks = ops.reshape(x, (-1, num_blocks, width))
    _, chosen = ops.top_k(ops.max(blocks, axis=2), count)  # (B, count)
    chosen = ops.cast(chosen, "int32")
    first = chosen
    if x.shape[0] != 1:
        rows = ops.arange(ops.shape(x)[0], dtype="int32")
        first = chosen + ops.expand_dims(rows * num_blocks, 1)
    within = ops.take(
        ops.reshape(x, (-1, width)), ops.reshape(first, (-1,)), axis=0
    )
    values, places = ops.top_k(ops.reshape(within, (-1, count * width)), count)
    places = ops.cast(places, "int32")  # (B, count)
    block = ops.floor_divide(places, width)
    if count == 1:
        return values, chosen * width + places
    rank = ops.expand_dims(block, 2) - ops.arange(count, dtype="int32")
    chosen = ops.sum(
        ops.expand_dims(chosen, 1) * ops.cast(rank == 0, "int32"), axis=2
    )
    return values, chosen * width + places - block * width


def _block_width(length, count):
    """The divisor of `length` with the least work, or None: not worth it."""
    widths = [
        width
        for width in range(8, length // max(count, 1))
        if length % width == 0
    ]
    work = lambda width: length // width + count * width  # noqa: E731
    best = min(widths, key=work, default=None)
    return best if best and 4 * work(best) < length else None


def _banned(vocabulary_size, banned_ids):
    """`HIDDEN` for the tokens that are never written, float32 `(1, V)`."""
    banned = np.zeros((1, vocabulary_size), "float32")
    banned[:, list(banned_ids)] = HIDDEN
    return ops.convert_to_tensor(banned)


def _column(place):
    """Where column `place` of a matrix begins."""
    place = ops.cast(place, "int32")
    return ops.stack([ops.zeros_like(place), place])
