"""What a generator and a discriminator learn from each other.

Shapes: `B` images.
"""

from keras import ops


def discriminator_hinge(real, fake):
    """`mean(max(0, 1 - real)) + mean(max(0, 1 + fake))`.

    Reference: Lim and Ye 2017 (arXiv:1705.02894), section 3; Zhang et al.
    2019 (arXiv:1805.08318), equation 4.

    Args:
        real: float `(B,)`, what the discriminator says of real images.
        fake: float `(B,)`, what it says of generated ones.
    """
    return ops.mean(ops.relu(1.0 - real)) + ops.mean(ops.relu(1.0 + fake))


def generator_hinge(fake):
    """`-mean(fake)`; see `discriminator_hinge`.

    Args:
        fake: float `(B,)`, what the discriminator says of generated images.
    """
    return -ops.mean(fake)
