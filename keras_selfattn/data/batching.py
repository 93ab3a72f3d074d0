"""Batches of utterances: by length, of few shapes, repeatable. Numpy only.

Lengths are rounded up to a multiple, and each batch has the rows that its
rounded length calls for, so that an epoch has few different shapes (JAX and
XLA compile once for each). Rows left over in one length go to the next
longer one; only one batch of an epoch, the last of the longest, may be
smaller than its length calls for.

Shape letters: `B` utterances, `L` samples (padded), `U` tokens (padded),
`S` source tokens, `T` target tokens.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Batch:
    """Positions of utterances, and the length all are padded to."""

    indices: tuple
    padded_length: int


def round_up(length, multiple):
    """The smallest multiple of `multiple` that is at least `length`."""
    return -(-length // multiple) * multiple


def plan_batches(
    lengths,
    length_multiple,
    batch_size=None,
    batch_samples=None,
    generator=None,
    shortest_first=False,
):
    """Groups utterances of similar length into batches.

    Args:
        lengths: int array `(N,)`. Samples of each utterance.
        length_multiple: int. Batches are padded to a multiple of it.
        batch_size: int. Rows of a batch; or
        batch_samples: int. Rows times padded length is at most this (at
            least one row). Give one of the two.
        generator: `numpy.random.Generator`. Shuffles rows and batches.
            Without it the order is by length, then by position.
        shortest_first: bool. Keep batches in order of their length even
            with a generator (which rows meet is still random).

    Returns:
        list of `Batch`; each position stands in exactly one of them.
    """
    if (batch_size is None) == (batch_samples is None):
        raise ValueError(
            "Give one of batch_size and batch_samples; received "
            f"batch_size={batch_size}, batch_samples={batch_samples}."
        )
    for name, value in (
        ("length_multiple", length_multiple),
        ("batch_size", batch_size),
        ("batch_samples", batch_samples),
    ):
        if value is not None and value < 1:
            raise ValueError(f"{name}={value}; expected at least 1.")
    padded_lengths = round_up(np.asarray(lengths, "int64"), length_multiple)
    batches, waiting, padded = [], [], 0
    for padded in np.unique(padded_lengths).tolist():
        members = np.flatnonzero(padded_lengths == padded)
        if generator is not None:
            members = generator.permutation(members)
        waiting.extend(members.tolist())
        rows = batch_size or max(1, batch_samples // padded)
        while len(waiting) >= rows:
            batches.append(Batch(tuple(waiting[:rows]), padded))
            waiting = waiting[rows:]
    if waiting:
        batches.append(Batch(tuple(waiting), padded))
    if generator is not None and not shortest_first:
        order = generator.permutation(len(batches))
        batches = [batches[position] for position in order]
    return batches


def count_batches(
    lengths, length_multiple, batch_size=None, batch_samples=None
):
    """What `plan_batches` makes of lengths, without making it.

    Args:
        lengths: int array `(N,)`, and the rest as `plan_batches` takes it.

    Returns:
        number of batches, and padded samples in all of them.
    """
    padded_lengths = round_up(np.asarray(lengths, "int64"), length_multiple)
    num_batches = num_samples = waiting = padded = 0
    found, counts = np.unique(padded_lengths, return_counts=True)
    for padded, count in zip(found.tolist(), counts.tolist()):
        rows = batch_size or max(1, batch_samples // padded)
        full, waiting = divmod(waiting + count, rows)
        num_batches += full
        num_samples += full * rows * padded
    return num_batches + bool(waiting), num_samples + waiting * padded


def widths_for_lengths(padded_lengths, num_tokens, width_multiple):
    """How wide the token ids of a batch must be, from its length alone.

    An utterance may wait for any longer batch, so widths never fall.

    Args:
        padded_lengths: int array `(N,)`. The shortest padded length that
            each utterance can be in.
        num_tokens: int array `(N,)`. Tokens of each utterance.
        width_multiple: int. Widths are multiples of it.

    Returns:
        dict from padded length to width.
    """
    padded_lengths, num_tokens = map(np.asarray, (padded_lengths, num_tokens))
    widths, width = {}, 1
    for padded in np.unique(padded_lengths).tolist():
        width = max(width, int(num_tokens[padded_lengths == padded].max()))
        widths[padded] = round_up(width, width_multiple)
    return widths


def pad_batch(rows, token_rows, padded_length, width):
    """Arrays of a batch, padded with zeros at the end.

    Args:
        rows: list of float32 arrays of at most `padded_length` samples, which
            may be vectors `(C,)`.
        token_rows: list of int32 arrays of at most `width` token ids.
        padded_length: int, `L`.
        width: int, `U`.

    Returns:
        `({"samples": float32 (B, L), "num_samples": int32 (B,)},
        token_ids int32 (B, U))`
    """
    inner = rows[0].shape[1:] if rows else ()
    shape = (len(rows), padded_length, *inner)
    samples = np.zeros(shape, "float32")  # (B, L) or (B, L, C)
    token_ids = np.zeros((len(rows), width), "int32")  # (B, U)
    for row, (values, tokens) in enumerate(zip(rows, token_rows, strict=True)):
        samples[row, : len(values)] = values
        token_ids[row, : len(tokens)] = tokens
    num_samples = np.asarray([len(values) for values in rows], "int32")
    return {"samples": samples, "num_samples": num_samples}, token_ids


def ctc_frames_needed(token_ids):
    """Frames that CTC needs for `token_ids`: one each, one between equals."""
    token_ids = np.asarray(token_ids)
    return len(token_ids) + int(np.sum(token_ids[1:] == token_ids[:-1]))


def text_batch(sources, targets, begin_id, length_multiple):
    """A batch of what a model reads and writes, padded with zeros.

    Args:
        sources: list of int32 arrays, each with the end.
        targets: list of int32 arrays, likewise.
        begin_id: int, what the decoder reads before a text.
        length_multiple: int, lengths are multiples.

    Returns:
        `({"source_ids": int32 (B, S), "target_ids": int32 (B, T)}, labels
        int32 (B, T))`, the labels the targets one token further.
    """

    def padded(rows):
        width = round_up(max(map(len, rows), default=1), length_multiple)
        found = np.zeros((len(rows), width), "int32")
        for row, tokens in enumerate(rows):
            found[row, : len(tokens)] = tokens
        return found

    labels = padded(targets)
    begins = np.full((len(targets), 1), begin_id, "int32")
    target_ids = np.concatenate([begins, labels[:, :-1]], axis=1)  # (B, T)
    return {"source_ids": padded(sources), "target_ids": target_ids}, labels
