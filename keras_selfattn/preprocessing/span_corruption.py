"""Leaving spans out of a text, to be written by the model. Numpy only.

Shapes: `T` tokens.
"""

import numpy as np


def noise_mask(length, generator, noise_density=0.15, mean_span=3.0):
    """Which tokens of a text are left out: whole spans.

    Spans that stay and spans that are left out take turns, beginning with one
    that stays; how many there are follows from the length, how long each is is
    drawn.

    Reference: Raffel et al. 2020 (arXiv:1910.10683), sections 3.1.4 and 3.3.4;
    how many as in their released code.

    Args:
        length: int, `T`.
        generator: `numpy.random.Generator`.
        noise_density: float in (0, 1), share of tokens that are left out,
            rounded; one at least, and one at least stays.
        mean_span: float >= 1, mean length of the spans left out.

    Returns:
        bool `(T,)`, True = left out; all False for less than two tokens.

    Raises:
        ValueError: for a share or length out of range.

    Example:
        >>> noise_mask(10, np.random.default_rng(0)).nonzero()[0]
        [8, 9]
    """
    if not 0 < noise_density < 1 or not mean_span >= 1:
        raise ValueError(
            f"noise_density={noise_density} must be above 0 and below 1, "
            f"mean_span={mean_span} at least 1."
        )
    if length < 2:
        return np.zeros(length, bool)
    num_noise, num_spans = _counts(length, noise_density, mean_span)
    num_spans = min(num_spans, length - num_noise)
    kept = _parted(length - num_noise, num_spans, generator)
    noise = _parted(num_noise, num_spans, generator)
    lengths = np.stack([kept, noise], axis=1).ravel()
    return np.repeat(np.arange(2 * num_spans) % 2 == 1, lengths)


def corrupt_spans(token_ids, mask, sentinel_ids):
    """A text with gaps, and what is in them.

    In the source each span that is left out is one sentinel, in the target
    each span that stays: "Thank you <X> me to your party <Y> week", and "<X>
    for inviting <Y> last <Z>".

    Reference: Raffel et al. 2020 (arXiv:1910.10683), figure 2.

    Args:
        token_ids: int `(T,)`.
        mask: bool `(T,)`, True = left out; not the first.
        sentinel_ids: list of int, in their order.

    Returns:
        source and target, int32 arrays, without the end.

    Raises:
        ValueError: for a mask of another shape or with a first token, or
            more spans than sentinels.
    """
    token_ids, mask = np.asarray(token_ids, "int32"), np.asarray(mask, bool)
    if mask.shape != token_ids.shape or mask[:1].any():
        raise ValueError(
            f"The mask has shape {mask.shape} and begins with "
            f"{mask[:1].tolist()}; expected {token_ids.shape}, and a first "
            "token that stays."
        )
    found = []
    for left_out in (mask, ~mask):
        begins = left_out & ~np.concatenate([[False], left_out[:-1]])
        count = int(begins.sum())
        if count > len(sentinel_ids):
            raise ValueError(
                f"There are {count} spans and {len(sentinel_ids)} sentinels; "
                "take shorter texts, or a tokenizer with more sentinels."
            )
        ids = token_ids.copy()
        ids[begins] = sentinel_ids[:count]
        found.append(ids[~left_out | begins])
    return tuple(found)


def raw_length(source_length, noise_density=0.15, mean_span=3.0):
    """How many tokens of a text fill a source of so many, the end included.

    Args:
        source_length: int >= 3.
        noise_density, mean_span: see `noise_mask`.

    Returns:
        int, tokens of the text, and int, those of its target with the end
        (without a sentinel behind the last span).

    Example:
        >>> raw_length(512)
        (568, 114)
    """
    if source_length < 3:
        raise ValueError(f"source_length={source_length}; expected 3 or more.")

    def lengths(length):
        noise, spans = _counts(length, noise_density, mean_span)
        return length - noise + spans + 1, noise + spans + 1

    length = 2
    while lengths(length + 1)[0] <= source_length:
        length += 1
    return length, lengths(length)[1]


def _counts(length, noise_density, mean_span):
    """Tokens that are left out of a text, and in how many spans."""
    noise = min(max(round(length * noise_density), 1), length - 1)
    return noise, max(round(noise / mean_span), 1)


def _parted(total, count, generator):
    """`total` in `count` parts of at least one, int `(count,)`."""
    cuts = 1 + generator.choice(total - 1, count - 1, replace=False)
    return np.diff([0, *np.sort(cuts), total])
