"""Overlapping windows of a sequence, for attention by blocks.

Shapes: `B` batch, `T` positions, `G` blocks, `C` positions of a block, `W`
positions of a window (`left + C + right`), `F` features.
"""

from keras import ops


def windows(x, num_blocks, size, left=0, right=0):
    """Each block of a sequence with its neighbourhood: `(B G, W, F)`.

    Window `g` holds the positions `g C - left <= t < (g + 1) C + right`;
    those before the first and after the last position are zeros. The blocks
    of one row stand one after another. Made of shifted slices, so that a
    length which is known only when it runs converts to built-in operations.

    Args:
        x: float or int `(B, T, F)`.
        num_blocks: int or int scalar tensor `G`, `T / size` rounded up.
        size: int >= 1, `C`.
        left: int >= 0.
        right: int >= 0.

    Example:
        >>> windows(np.array([[[1], [2], [3]]]), 2, 2, left=1)[..., 0]
        [[0, 1, 2], [2, 3, 0]]
    """
    before, after = -(-left // size), -(-right // size)
    # Padded for the most that can be missing, then cut to whole blocks.
    x = ops.pad(x, ((0, 0), (before * size, after * size + size - 1), (0, 0)))
    batch, features = ops.shape(x)[0], x.shape[-1]
    total = before + num_blocks + after
    x = ops.reshape(x[:, : total * size], (batch, total, size, features))
    pieces = []
    for shift in range(before + 1 + after):
        piece = x[:, shift : shift + num_blocks]  # (B, G, C, F)
        if shift == 0 and left % size:
            piece = piece[:, :, size - left % size :]
        if shift == before + after and right % size:
            piece = piece[:, :, : right % size]
        pieces.append(piece)
    if len(pieces) > 1:
        x = ops.concatenate(pieces, axis=2)
    else:
        x = pieces[0]
    return ops.reshape(x, (batch * num_blocks, left + size + right, features))
