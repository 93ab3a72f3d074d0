"""What an image generator is asked for, and what it gives; numpy only.

Shared by the Keras task and the device runtime, so that the same seed gives
both the same latents.

Shapes: `B` images, `Z` latent dimension, `Y` height, `X` width, `C` channels.
"""

import math
from numbers import Integral

import numpy as np

# Of the normal numbers 95 in 100 are smaller: many kinds of an image.
TRUNCATION = 2.0


def truncated_normal(shape, truncation=TRUNCATION, seed=None):
    """Standard normal numbers; those beyond the truncation are drawn again.

    A small truncation gives typical images, a large one different ones.

    Reference: Brock et al. 2019 (arXiv:1809.11096), section 3.1, "the
    truncation trick".

    Args:
        shape: tuple of int.
        truncation: float > 0, no number's magnitude is larger; infinity
            truncates nothing.
        seed: int >= 0, or None for other numbers each time.

    Returns:
        float32 array of the shape.

    Raises:
        ValueError: for a truncation or seed out of its range.

    Example:
        >>> abs(truncated_normal((2, 64), truncation=0.5, seed=0)).max() <= 0.5
        True
    """
    truncation = check_truncation(truncation)
    if seed is not None and (not isinstance(seed, Integral) or seed < 0):
        raise ValueError(
            f"seed={seed!r}; expected an int >= 0, or None for other images "
            "each time."
        )
    generator = np.random.default_rng(seed)
    found = np.empty(math.prod(shape), "float32")
    places = np.arange(found.size)
    while places.size:
        if truncation < 1:
            # Few normal numbers are that small: accept uniform ones instead.
            drawn = generator.uniform(-truncation, truncation, places.size)
            chance = np.exp(-0.5 * drawn**2)
            good = generator.random(places.size) < chance
        else:
            drawn = generator.standard_normal(places.size)
            good = np.abs(drawn) <= truncation
        found[places[good]] = drawn[good]
        places = places[~good]
    if math.isfinite(truncation):  # where float32 rounded up
        limit = np.float32(truncation)
        if limit > truncation:
            limit = np.nextafter(limit, np.float32(0))
        found = np.clip(found, -limit, limit)
    return found.reshape(shape)


def check_truncation(truncation):
    """The truncation as a float; a ValueError where it is none."""
    try:
        value = float(truncation)
    except (TypeError, ValueError):
        value = math.nan
    if not value > 0:  # NaN, too
        raise ValueError(
            f"truncation={truncation!r}; expected a number > 0: 0.5 for "
            "typical images, 2 for different ones, infinity for all."
        )
    return value


def class_ids(labels, names):
    """Class ids of what a user calls classes.

    Args:
        labels: a name (str) or class id (int), or a sequence of them.
        names: list of str, the classes' names.

    Returns:
        int32 array `(B,)`.

    Raises:
        ValueError: no label, an unknown name, or an id out of range.

    Example:
        >>> class_ids(["cat", 1], ["cat", "dog"])
        array([0, 1], dtype=int32)
    """
    names = list(names)
    if isinstance(labels, (str, Integral)):
        labels = [labels]
    labels = list(labels)
    if not labels:
        raise ValueError("No labels; expected a label for each image.")
    return np.array([_class_id(label, names) for label in labels], "int32")


def _class_id(label, names):
    if isinstance(label, str) and label in names:
        return names.index(label)
    is_id = isinstance(label, Integral) and not isinstance(label, bool)
    if is_id and 0 <= label < len(names):
        return int(label)
    shown = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
    raise ValueError(
        f"label {label!r} is no class of this model; expected one of {shown}, "
        f"or an int from 0 to {len(names) - 1}."
    )


def to_pixels(images):
    """Images of numbers in [0, 1], `(B, Y, X, C)`, as uint8."""
    images = np.asarray(images, "float32")
    return np.round(np.clip(images, 0.0, 1.0) * 255.0).astype("uint8")
