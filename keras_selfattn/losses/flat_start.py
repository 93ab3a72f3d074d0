"""A first alignment for CTC: every label lasts equally long.

Shapes: `B` batch, `T` frames, `U` labels, `V` vocabulary.
"""

from keras import ops


def flat_start_loss(token_ids, logits, output_lengths):
    """Cross-entropy of frames under labels spread evenly over them.

    From random weights and little data, CTC long finds nothing better than a
    blank in every frame. A few epochs of this loss in its place, and frames
    differ by what is said; CTC then finds where. Frame `t` of `T` belongs to
    label `floor(t U / T)`.

    Reference: Young et al., the HTK book, section 8.3 ("flat start": uniform
    segmentation, there of hidden Markov models).

    Args:
        token_ids: int `(B, U)`, labels, padded with 0 at the end.
        logits: float `(B, T, V)`, before softmax.
        output_lengths: int `(B,)`, valid frames of each row.

    Returns:
        float32 `(B,)`, nats: the mean over an utterance's frames times its
        labels, so that a label weighs what it does in CTC. Rows without labels
        cost 0.
    """
    token_ids = ops.cast(token_ids, "int32")
    lengths = ops.maximum(ops.cast(output_lengths, "int32"), 1)
    labels = ops.sum(ops.cast(token_ids != 0, "int32"), axis=1)  # (B,)
    frames = ops.arange(ops.shape(logits)[1], dtype="int32")  # (T,)
    places = frames * ops.expand_dims(labels, 1) // ops.expand_dims(lengths, 1)
    last = ops.maximum(ops.expand_dims(labels, 1) - 1, 0)
    own = ops.take_along_axis(token_ids, ops.minimum(places, last), axis=1)
    logits = ops.cast(logits, "float32")
    chosen = ops.take_along_axis(logits, ops.expand_dims(own, -1), axis=-1)
    costs = ops.logsumexp(logits, axis=-1) - ops.squeeze(chosen, -1)  # (B, T)
    real = ops.cast(frames < ops.expand_dims(lengths, 1), "float32")
    mean = ops.sum(costs * real, axis=1) / ops.cast(lengths, "float32")
    return mean * ops.cast(labels, "float32")
