"""A penalty on filters that look alike.

Shapes: `I` inputs of a kernel, its height and width included, `O` outputs.
"""

from keras import ops


def orthogonal_penalty(kernels):
    """The sum of `|| W'W * (1 - I) ||^2` over kernels: filters' products.

    Only what filters have in common is punished, not their length: with it
    latents may be truncated far without the images breaking.

    Reference: Brock et al. 2019 (arXiv:1809.11096), section 3.1, equation 3.

    Args:
        kernels: list of float tensors `(..., O)`, at least one; each is taken
            as a matrix `(I, O)`.

    Returns:
        float32 scalar.

    Raises:
        ValueError: no kernel.
    """
    if not kernels:
        raise ValueError("No kernels; expected one or more to punish.")
    total = 0.0
    for kernel in kernels:
        matrix = ops.cast(
            ops.reshape(kernel, (-1, kernel.shape[-1])), "float32"
        )
        products = ops.matmul(ops.transpose(matrix), matrix)  # (O, O)
        apart = products * (1.0 - ops.eye(kernel.shape[-1]))
        total = total + ops.sum(ops.square(apart))
    return total
