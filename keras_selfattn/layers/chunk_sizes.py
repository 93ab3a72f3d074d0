"""Sizes of chunks, drawn anew for each step of a training."""

import keras
from keras import ops

# Longer than any sequence: one chunk holds it all. Times the few frames that
# a stage may have for one of the encoder's, it fits into an int32.
FULL_CONTEXT = 1 << 24


def draw_chunk_size(sizes, full_context_rate, seed_generator):
    """One of `sizes`, or `FULL_CONTEXT`, as an int32 scalar tensor.

    One compiled step serves all of them: the size is a value, not a shape.
    What comes out follows from the generator's state, which is a variable, so
    that a training that goes on draws what it would have drawn.

    Reference: Zhang et al. 2020 (arXiv:2012.05481), section 2.2.

    Args:
        sizes: list of int, each as likely as the others.
        full_context_rate: float in [0, 1], probability of `FULL_CONTEXT`.
        seed_generator: keras.random.SeedGenerator.

    Example:
        >>> draw_chunk_size([4, 8, 16], 0.5, keras.random.SeedGenerator(0))
        8
    """
    draw = keras.random.uniform((2,), dtype="float32", seed=seed_generator)
    which = ops.cast(ops.floor(draw[1] * len(sizes)), "int32")
    which = ops.minimum(which, len(sizes) - 1)  # a draw may round up to 1
    size = ops.take(ops.convert_to_tensor(sizes, dtype="int32"), which)
    return ops.where(draw[0] < full_context_rate, FULL_CONTEXT, size)
