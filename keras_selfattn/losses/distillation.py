"""Frames that learn from frames which know more.

Shapes: `B` batch, `T` frames, `V` vocabulary.
"""

from keras import ops


def frame_distillation(teacher_logits, logits, output_lengths, delay_frames=0):
    """Kullback-Leibler divergence of frames from a teacher's, by row.

    `sum_t sum_v p(t - d, v) log(p(t - d, v) / q(t, v))` with the teacher's
    probabilities p, which get no gradient, and the learner's q. Frames behind
    an output length count nothing, nor do the first `d`, which have no teacher.

    Use it where one model hears with full context and in chunks: the chunks
    learn when to say what from the frames that hear all. With a delay they
    may say it later, when they have heard more.

    Reference: Yu et al. 2021 (arXiv:2010.06030), section 3.2; there for
    transducers.

    Args:
        teacher_logits: float `(B, T, V)`, before softmax.
        logits: float `(B, T, V)`, before softmax, of what learns.
        output_lengths: int `(B,)`, valid frames of each row.
        delay_frames: int >= 0, `d`.

    Returns:
        float32 `(B,)`, nats an utterance.
    """
    teacher = ops.stop_gradient(ops.cast(teacher_logits, "float32"))
    logits = ops.cast(logits, "float32")
    frames = ops.arange(ops.shape(logits)[1], dtype="int32")
    valid = frames < ops.expand_dims(ops.cast(output_lengths, "int32"), 1)
    if delay_frames:
        teacher = teacher[:, :-delay_frames]
        logits, valid = logits[:, delay_frames:], valid[:, delay_frames:]
    wanted = ops.log_softmax(teacher, axis=-1)
    apart = ops.exp(wanted) * (wanted - ops.log_softmax(logits, axis=-1))
    apart = ops.sum(apart, axis=-1)  # (B, T - d)
    return ops.sum(ops.where(valid, apart, ops.zeros_like(apart)), axis=1)
