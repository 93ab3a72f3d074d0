"""Images that are moved and cut, so that gradients pass: DiffAugment.

What is done to each image is given, not drawn here: random numbers come with
the batch, and a training that goes on from a checkpoint sees the same.

Shapes: `B` images, `Y` height, `X` width, `C` channels.
"""

from keras import ops


def moved(images, shifts):
    """Images moved by whole pixels; what comes in is -1, black.

    Reference: Zhao et al. 2020 (arXiv:2006.10738), section 3.2.

    Args:
        images: float `(B, Y, X, C)` in [-1, 1], its sizes known.
        shifts: int `(B, 2)`, pixels down and to the right.

    Returns:
        float `(B, Y, X, C)`.
    """
    _, height, width, channels = images.shape
    x = ops.reshape(images + 1.0, (-1, height, width * channels))
    x = ops.matmul(_shifting(height, shifts[:, 0], x.dtype), x)
    x = ops.reshape(x, (-1, height, width, channels))
    x = ops.reshape(
        ops.transpose(x, (0, 2, 1, 3)), (-1, width, height * channels)
    )
    x = ops.matmul(_shifting(width, shifts[:, 1], x.dtype), x)
    x = ops.reshape(x, (-1, width, height, channels))
    return ops.transpose(x, (0, 2, 1, 3)) - 1.0


def _shifting(size, shifts, dtype):
    """Matrices that move rows: `(B, size, size)`."""
    rows = ops.arange(size, dtype="int32")
    source = rows[None] - ops.cast(shifts, "int32")[:, None]  # (B, size)
    return ops.cast(source[:, :, None] == rows[None, None], dtype)


def cut_out(images, corners, size):
    """Images with a square of 0, grey, in each.

    Reference: Zhao et al. 2020 (arXiv:2006.10738), section 3.2; DeVries and
    Taylor 2017 (arXiv:1708.04552).

    Args:
        images: float `(B, Y, X, C)` in [-1, 1], its sizes known.
        corners: int `(B, 2)`, first row and column of the square, which may
            lie outside in part.
        size: int, height and width of the square.

    Returns:
        float `(B, Y, X, C)`.
    """
    _, height, width, _ = images.shape
    inside = []
    for axis, length in enumerate((height, width)):
        from_corner = (
            ops.arange(length, dtype="int32")[None]
            - ops.cast(corners[:, axis], "int32")[:, None]
        )
        within = ops.logical_and(from_corner >= 0, from_corner < size)
        inside.append(within)
    square = ops.logical_and(inside[0][:, :, None], inside[1][:, None, :])
    return ops.where(square[..., None], ops.zeros_like(images), images)
