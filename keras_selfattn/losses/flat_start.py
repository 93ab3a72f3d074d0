"""A first alignment for CTC: every label lasts equally long.

Shapes: `B` batch, `T` frames, `U` labels, `V` vocabulary.
"""

from keras import ops


def flat_start_loss(token_ids, logits, output_lengths, energy=None):
    """Cross-entropy of frames under labels spread evenly over them.

    From random weights and little data, CTC long finds nothing better than a
    blank in every frame. A few epochs of this loss in its place, and frames
    differ by what is said; CTC then finds where. Frame `t` of `T` belongs to
    label `floor(t U / T)`; with `energy`, the frames before the first that is
    louder than the utterance's mean, and those behind the last, are blank, and
    the labels are spread over what is between.

    Reference: Young et al., the HTK book, section 8.3 ("flat start": uniform
    segmentation, there of hidden Markov models).

    Args:
        token_ids: int `(B, U)`, labels, padded with 0 at the end.
        logits: float `(B, T, V)`, before softmax.
        output_lengths: int `(B,)`, valid frames of each row.
        energy: float `(B, T)`, how loud each frame is, on any scale; or None.

    Returns:
        float32 `(B,)`, nats: the mean over an utterance's frames times its
        labels, so that a label weighs what it does in CTC. Rows without labels
        cost 0.
    """
    token_ids = ops.cast(token_ids, "int32")
    lengths = ops.maximum(ops.cast(output_lengths, "int32"), 1)
    labels = ops.sum(ops.cast(token_ids != 0, "int32"), axis=1)  # (B,)
    frames = ops.arange(ops.shape(logits)[1], dtype="int32")  # (T,)
    valid = frames < ops.expand_dims(lengths, 1)  # (B, T)
    first, span = _spoken(frames, valid, energy)  # (B, 1) both
    labels = ops.expand_dims(labels, 1)
    places = (frames - first) * labels // span
    own = ops.take_along_axis(
        token_ids,
        ops.clip(places, 0, ops.maximum(labels - 1, 0)),
        axis=1,
    )
    inside = ops.logical_and(frames >= first, frames < first + span)
    own = ops.where(inside, own, ops.zeros_like(own))
    logits = ops.cast(logits, "float32")
    chosen = ops.take_along_axis(logits, ops.expand_dims(own, -1), axis=-1)
    costs = ops.logsumexp(logits, axis=-1) - ops.squeeze(chosen, -1)  # (B, T)
    real = ops.cast(valid, "float32")
    mean = ops.sum(costs * real, axis=1) / ops.cast(lengths, "float32")
    return mean * ops.cast(labels[:, 0], "float32")


def _spoken(frames, valid, energy):
    """First frame of what is spoken, and how many there are; int `(B, 1)`."""
    count = ops.sum(ops.cast(valid, "int32"), axis=1, keepdims=True)
    if energy is None:
        return ops.zeros_like(count), count
    energy = ops.cast(energy, "float32")
    energy = ops.where(valid, energy, ops.zeros_like(energy))
    mean = ops.sum(energy, axis=1, keepdims=True) / ops.cast(count, "float32")
    loud = ops.logical_and(energy > mean, valid)
    after = ops.zeros_like(count) + ops.shape(energy)[1]
    first = ops.min(ops.where(loud, frames, after), axis=1, keepdims=True)
    last = ops.max(ops.where(loud, frames, -1), axis=1, keepdims=True)
    some = last >= 0  # all frames are alike: nothing is louder
    first = ops.where(some, first, ops.zeros_like(first))
    return first, ops.where(some, last + 1 - first, count)
