"""Frames held against known texts: where, and how well. Numpy only.

Shape letters: `T` frames, `V` vocabulary, `U` tokens, `S = 2 U + 1` states, `N`
texts.
"""

import numpy as np


def align(log_probabilities, token_ids):
    """The likeliest alignment of a text, each token where it begins.

    Reference: Graves et al. 2006, Connectionist Temporal Classification,
    section 4.1, with the maximum in place of the sum.

    Args:
        log_probabilities: float array `(T, V)`; 0 is blank.
        token_ids: ints `(U,)`.

    Returns:
        int32 array `(T,)` as from `ctc.emissions`, a token where it begins and
        0 elsewhere.

    Raises:
        ValueError: there are too few frames for the text.
    """
    scores = np.asarray(log_probabilities, "float64")
    tokens = np.asarray(token_ids, "int64").reshape(-1)
    emitted = np.zeros(len(scores), "int32")
    if not len(tokens):
        return emitted
    repeats = np.count_nonzero(tokens[1:] == tokens[:-1])
    if len(scores) < len(tokens) + repeats:
        raise ValueError(
            f"{len(tokens)} tokens cannot be said in {len(scores)} frames; "
            f"expected at least {len(tokens) + repeats}."
        )
    labels = np.zeros(2 * len(tokens) + 1, "int64")  # (S,)
    labels[1::2] = tokens
    may_skip = np.zeros(len(labels), bool)
    may_skip[3::2] = tokens[1:] != tokens[:-1]
    frames = scores[:, labels]  # (T, S)
    best = np.full(len(labels), -np.inf)
    best[:2] = frames[0, :2]
    steps = np.zeros(frames.shape, "int8")
    for frame in range(1, len(frames)):
        ways = np.full((3, len(labels)), -np.inf)
        ways[0] = best
        ways[1, 1:] = best[:-1]
        ways[2, 2:] = np.where(may_skip[2:], best[:-2], -np.inf)
        steps[frame] = np.argmax(ways, axis=0)
        best = ways.max(axis=0) + frames[frame]
    state = len(labels) - 1
    state -= int(best[-2] > best[-1])
    for frame in range(len(frames) - 1, -1, -1):
        before = state - int(steps[frame, state])
        if state % 2 and (before != state or not frame):
            emitted[frame] = labels[state]
        state = before
    return emitted


def text_scores(log_probabilities, texts):
    """Ln p of the likeliest alignment of each of several texts.

    Args:
        log_probabilities: float array `(T, V)`, `T` at least 1; 0 is blank.
        texts: list of lists of int, token ids.

    Returns:
        float array `(N,)`; -inf where the frames are too few.
    """
    scores = np.asarray(log_probabilities, "float64")
    lengths = np.array([len(text) for text in texts], "int64")
    longest = max(lengths, default=0)
    tokens = np.zeros((len(texts), longest), "int64")
    for row, text in zip(tokens, texts):
        row[: len(text)] = text
    labels = np.zeros((len(texts), 2 * longest + 1), "int64")  # (N, S)
    labels[:, 1::2] = tokens
    may_skip = np.zeros(labels.shape, bool)
    may_skip[:, 3::2] = tokens[:, 1:] != tokens[:, :-1]
    best = np.full(labels.shape, -np.inf)
    best[:, :2] = scores[0][labels[:, :2]]
    for frame in scores[1:]:
        ways = best.copy()
        np.maximum(ways[:, 1:], best[:, :-1], out=ways[:, 1:])
        skips = np.where(may_skip[:, 2:], best[:, :-2], -np.inf)
        np.maximum(ways[:, 2:], skips, out=ways[:, 2:])
        best = ways + frame[labels]
    rows = np.arange(len(texts))
    last = np.maximum(2 * lengths - 1, 0)
    return np.maximum(best[rows, 2 * lengths], best[rows, last])
