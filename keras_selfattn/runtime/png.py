"""Pictures to PNG files with zlib alone.

The base install, which a device has, brings neither pillow nor matplotlib;
an image of bytes without a palette needs three chunks and one checksum each.
Shapes: `B` images, `H`, `W` pixels, `C` channels.
"""

import struct
import zlib

import numpy as np

from keras_selfattn.atomic_file import write_atomically

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 3: 2, 4: 6}  # grey; red, green, blue; and alpha
GAP = 2  # pixels between the images of a grid
PAPER = 255


def encode_png(image):
    """Encodes an image as a PNG of 8 bits a channel, without loss.

    Reference: ISO/IEC 15948, sections 5 and 11 (no filter, no interlacing).

    Args:
        image: uint8 `(H, W)` or `(H, W, C)`; C is 1, 3 or 4.

    Returns:
        bytes.

    Raises:
        ValueError: for anything else.
    """
    image = np.asarray(image)
    shape = image.shape
    if image.ndim == 2:
        image = image[..., None]
    known = image.ndim == 3 and image.shape[-1] in COLOUR_TYPES and image.size
    if not known or image.dtype != np.uint8:
        raise ValueError(
            f"The image is {image.dtype} {shape}; expected uint8 (height, "
            "width) or (height, width, 1, 3 or 4)."
        )
    height, width, channels = image.shape
    head = struct.pack(
        ">2I5B", width, height, 8, COLOUR_TYPES[channels], 0, 0, 0
    )
    rows = image.reshape(height, width * channels)
    # Each row begins with its filter's number: none.
    rows = np.pad(rows, ((0, 0), (1, 0))).tobytes()
    return (
        SIGNATURE
        + _chunk(b"IHDR", head)
        + _chunk(b"IDAT", zlib.compress(rows, 9))
        + _chunk(b"IEND", b"")
    )


def write_png(path, image):
    """Writes an image as a PNG file, whole or not at all; see `encode_png`."""
    write_atomically(path, encode_png(image))


def image_grid(images, columns, scale=1):
    """Puts images of one size into one picture, row by row.

    Args:
        images: uint8 `(B, H, W, C)`.
        columns: int >= 1.
        scale: int >= 1, pixels of the picture for a pixel of an image.

    Returns:
        uint8 `(rows * (H * scale + 2) - 2, ..., C)`; white between images and
        in places that are left over.

    Raises:
        ValueError: for images of another form, or numbers below 1.
    """
    images = np.asarray(images)
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images has shape {images.shape}; expected (images, height, "
            "width, channels)."
        )
    for name, value in (("columns", columns), ("scale", scale)):
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} is {value!r}; expected an integer >= 1.")
    images = images.repeat(scale, 1).repeat(scale, 2)
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    columns = min(columns, count)
    down, right = height + GAP, width + GAP
    shape = (rows * down - GAP, columns * right - GAP, channels)
    grid = np.full(shape, PAPER, images.dtype)
    for place, image in enumerate(images):
        top, left = place // columns * down, place % columns * right
        grid[top : top + height, left : left + width] = image
    return grid


def _chunk(kind, data):
    checksum = zlib.crc32(kind + data)
    return (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)
    )
