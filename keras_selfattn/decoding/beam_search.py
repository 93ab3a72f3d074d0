"""The best of several texts at once. Numpy only; steps: `token_scores`.

Shape letters: `B` sources, `K` beam, `R = B K` rows, `T` tokens so far, `V`
vocabulary.
"""

import numpy as np

from keras_selfattn.decoding.token_scores import (
    ban_repeats,
    log_probabilities,
    row_limits,
    take_rows,
)

RULES = ("gnmt", "transformers", "transformers_forced")


def length_penalty(length, alpha, rules="gnmt"):
    """What a text's log-probability is divided by: `((5 + T) / 6)^alpha`.

    Under the rules of `transformers`, `T^alpha`.

    Reference: Wu et al. 2016 (arXiv:1609.08144), section 7, equation 14.
    """
    if rules != "gnmt":
        return np.asarray(length, "float64") ** alpha
    return ((5.0 + np.asarray(length, "float64")) / 6.0) ** alpha


def beam_search(
    step,
    state,
    num_sources,
    beam_size,
    max_length,
    bos_id,
    eos_id,
    alpha=0.6,
    banned_ids=(),
    no_repeat_ngram=0,
    num_best=1,
    rules="gnmt",
):
    """Keeps the `beam_size` best beginnings of each text, to the end.

    Log-probabilities are added up and divided by `length_penalty`, where the
    end counts as a token. A source is done when the best of its ended texts
    can no longer be beaten, or when `beam_size` have ended and those that go
    on are behind as they stand. A beam of 1 is greedy search.

    Models of the package `transformers` are searched by other rules: the
    length penalty is `T^alpha`; what is banned takes part in the sum that
    probabilities are made of; a source is done when the best that goes on is,
    as it stands, behind all of `beam_size` ended texts; texts that are cut are
    texts like the others ("transformers"), or are ended for nothing
    ("transformers_forced": where its `forced_eos_token_id` is set).

    Reference: Wu et al. 2016 (arXiv:1609.08144), section 7 (without the
    coverage penalty, for which a step would have to give attention).

    Args:
        step: step function, see `token_scores`; it is asked for `R` rows.
        state: its state before the first token, for `R` rows: those of one
            source follow one another and are alike.
        num_sources: int, `B`.
        beam_size: int >= 1, `K`.
        max_length: int, or int array `(B,)`, tokens before the end.
        bos_id: int, the token before every text.
        eos_id: int, the token that ends a text.
        alpha: float >= 0; 0 prefers short texts, 1 is a mean.
        banned_ids: ints never written.
        no_repeat_ngram: see `greedy_search`.
        num_best: int from 1 to `beam_size`, results a source.
        rules: one of `RULES`, see above.

    Returns:
        for each source a list of at most `num_best` pairs (int32 array of
        tokens without `eos_id`, score), best first.

    Raises:
        ValueError: for a setting out of its range.
    """
    if not 1 <= num_best <= beam_size or alpha < 0:
        raise ValueError(
            f"beam_size={beam_size}, num_best={num_best}, alpha={alpha}; "
            "expected 1 <= num_best <= beam_size and alpha >= 0."
        )
    if rules not in RULES:
        raise ValueError(f"rules={rules!r} is unknown; use one of {RULES}.")
    theirs = rules != "gnmt"
    needed = beam_size if theirs else num_best
    limits = row_limits(max_length, num_sources)
    rows = num_sources * beam_size
    written = np.zeros((rows, 0), "int32")  # (R, T)
    last = np.full(rows, bos_id, "int32")
    # The rows of a source begin alike: only its first one may go on.
    totals = np.full((num_sources, beam_size), -np.inf)
    totals[:, 0] = 0.0
    ended = [[] for _ in range(num_sources)]
    running = np.ones(num_sources, bool)
    for position in range(limits.max() if num_sources else 0):
        logits, state = step(last, position, state)
        scores = log_probabilities(logits, () if theirs else banned_ids)
        if theirs:
            scores[:, np.array(banned_ids, "int64")] = -np.inf
        ban_repeats(scores, written, no_repeat_ngram)
        earlier = [len(texts) for texts in ended]
        parents, last, totals = _best_continuations(
            scores.reshape(num_sources, beam_size, -1),
            totals,
            eos_id,
            written,
            ended,
            running,
            length_penalty(position + 1, alpha, rules),
        )
        written = np.concatenate([written[parents], last[:, None]], axis=1)
        best = totals.max(axis=1)
        as_they_stand = best / length_penalty(position + 1, alpha, rules)
        best_possible = best / length_penalty(limits + 1, alpha, rules)
        for source in np.flatnonzero(running):
            new = len(ended[source]) - earlier[source]
            texts = ended[source] = _ranked(ended[source])[:beam_size]
            full = len(texts) == beam_size
            rival = (as_they_stand if full else best_possible)[source]
            done = len(texts) >= needed and texts[needed - 1][1] >= rival
            running[source] = not done and position + 1 < limits[source]
            if position + 1 >= limits[source]:
                cut = _cut_texts(
                    source, written, totals, texts, new, done, alpha, rules
                )
                ended[source] = texts + cut
        if not running.any():
            break
        state = take_rows(state, parents)
    return [_ranked(texts)[:num_best] for texts in ended]


def _best_continuations(
    scores, totals, eos_id, written, ended, running, penalty
):
    """One token more: what ends goes to `ended`, the best others go on.

    Returns:
        int `(R,)`, the row each one continues, int32 `(R,)`, its token, and
        float `(B, K)`, its log-probability.
    """
    sources, beam, vocabulary = scores.shape
    sums = totals[:, :, None] + scores  # (B, K, V)
    # Of the K best, some may end; 2K hold K that do not.
    flat = sums.reshape(sources, -1)
    count = min(2 * beam, flat.shape[1])
    best = np.argpartition(-flat, count - 1, axis=1)[:, :count]
    values = np.take_along_axis(flat, best, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    best = np.take_along_axis(best, order, axis=1)
    values = np.take_along_axis(values, order, axis=1)
    tokens, rows = best % vocabulary, best // vocabulary
    rows = rows + beam * np.arange(sources)[:, None]
    ends = tokens == eos_id
    for source in np.flatnonzero(running):
        for place in np.flatnonzero(ends[source, :beam]):
            if np.isfinite(values[source, place]):
                text = written[rows[source, place]]
                score = values[source, place] / penalty
                ended[source].append((text, float(score)))
    go_on = np.argsort(ends, axis=1, kind="stable")[:, :beam]
    rows, tokens, values, ends = (
        np.take_along_axis(part, go_on, axis=1)
        for part in (rows, tokens, values, ends)
    )
    values = np.where(ends, -np.inf, values)  # a vocabulary below 2K
    return rows.ravel(), tokens.ravel().astype("int32"), values


def _cut_texts(source, written, totals, texts, new, done, alpha, rules):
    """A source's unfinished texts at its limit: those that count.

    Args:
        texts: its ended texts, of which `new` ended at the last token.
        done: bool, whether it would have stopped here anyway.
    """
    beam, length = totals.shape[1], written.shape[1]
    count = beam
    if rules == "transformers":  # those that were among the best of all
        count = beam - new
    elif texts if rules == "gnmt" else done:
        count = 0
    length += rules == "transformers_forced"
    return [
        (
            written[source * beam + place],
            totals[source, place] / length_penalty(length, alpha, rules),
        )
        for place in range(count)
        if np.isfinite(totals[source, place])
    ]


def _ranked(texts):
    return sorted(texts, key=lambda pair: -pair[1])
