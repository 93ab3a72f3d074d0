"""Which pieces of a source each piece of its translation hangs on.

Shapes: `S` source tokens, `T` target tokens.
"""

from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Alignment:
    """The pieces of a line and of its translation, and what hangs on what.

    Args:
        source: list of `S` str, the pieces of the line.
        target: list of `T` str, the pieces of the translation.
        weights: list of `T` lists of `S` floats >= 0; each sums to 1, or to 0
            where no single piece matters.
    """

    source: list
    target: list
    weights: list

    def to_dict(self):
        """Plain values ready for JSON."""
        return asdict(self)


def align(search, source):
    """Align a source with what a search writes for it.

    A file gives no attention weights, and attention aligns badly where layers
    pass words on. So each piece of the source is left out in turn; what a
    target piece loses of its log-probability by that is what it hangs on the
    piece. It costs a run of `encode` and, for each target piece, one of
    `decode_step`, over all the shortened sources at once.

    Reference: Li et al. 2019, "On the Word Alignment from Neural Machine
    Translation", section 3.2 (prediction difference). Differs: a piece is left
    out, where they set its embedding to zero; what is gained counts as 0, and
    each row is divided by its sum.

    Args:
        search: `TextSearch` of a translator.
        source: int32 `(S + 1,)`, with the end.

    Returns:
        list of `T` ints, the target without its end, and list of `T` lists of
        `S` floats, as in `Alignment`.

    Example:
        >>> target, weights = align(search, source)
        >>> np.argmax(weights, axis=1)  # for each target piece, where it is
    """
    source = np.asarray(source, "int32")
    num_pieces = len(source) - 1
    target = [int(i) for i in search.write(source)[0] if i != search.end_id]
    if not target or not num_pieces:
        return target, [[] for _ in target]
    # The end of the source stays: without it, it is no sentence.
    if num_pieces == 1:
        return target, [[1.0] for _ in target]
    without = np.stack([np.delete(source, i) for i in range(num_pieces)])
    lost = search.log_probabilities(source[np.newaxis], target)
    lost = lost - search.log_probabilities(without, target)  # (S, T)
    gains = np.maximum(lost.T, 0.0)
    sums = gains.sum(axis=1, keepdims=True)
    weights = np.divide(gains, sums, out=np.zeros_like(gains), where=sums > 0)
    return target, weights.round(4).tolist()
