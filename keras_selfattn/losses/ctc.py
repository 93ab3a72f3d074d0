"""Connectionist temporal classification.

Shapes: `B` batch, `T` frames, `U` labels, `V` vocabulary.
"""

from keras import ops


def required_frames(token_ids):
    """Frames the shortest path needs: labels plus repeats, `(B, U) -> (B,)`.

    Between two equal neighbours a path must show a blank.
    """
    real = ops.cast(token_ids != 0, "int32")
    repeats = ops.logical_and(
        token_ids[:, 1:] == token_ids[:, :-1], token_ids[:, 1:] != 0
    )
    return ops.sum(real, axis=1) + ops.sum(ops.cast(repeats, "int32"), axis=1)


def ctc_loss(token_ids, logits, output_lengths):
    """Negative log-likelihood of the labels over all alignments, by row.

    Blank and padding are id 0. Rows that no path fits (more labels than
    frames) cost 0 and give no gradient: the backends disagree on them (inf,
    1e5 or 716), and one would spoil a batch. So do rows without labels.

    Reference: Graves et al. 2006 (ICML), section 4.1.

    Args:
        token_ids: int `(B, U)`, labels, padded with 0 at the end.
        logits: float `(B, T, V)`, before softmax.
        output_lengths: int `(B,)`, valid frames of each row.

    Returns:
        float32 `(B,)`, nats an utterance.
    """
    token_ids = ops.cast(token_ids, "int32")
    output_lengths = ops.cast(output_lengths, "int32")
    label_lengths = ops.sum(ops.cast(token_ids != 0, "int32"), axis=1)
    feasible = ops.logical_and(
        required_frames(token_ids) <= output_lengths, label_lengths > 0
    )
    # An infeasible row is computed with one label, which always fits.
    first = ops.arange(ops.shape(token_ids)[1], dtype="int32") == 0
    stand_in = ops.cast(first, "int32")  # (U,): 1, 0, 0, ...
    safe = ops.where(ops.expand_dims(feasible, -1), token_ids, stand_in)
    losses = ops.ctc_loss(
        safe,
        ops.cast(logits, "float32"),
        ops.where(feasible, label_lengths, ops.ones_like(label_lengths)),
        ops.maximum(output_lengths, 1),
        mask_index=0,
    )
    return ops.where(feasible, losses, ops.zeros_like(losses))
