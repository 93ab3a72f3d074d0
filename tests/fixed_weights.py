"""Weights that depend on a variable's path only: the same on any backend."""

import zlib

import numpy as np


def relative_path(layer, variable):
    """The variable's path below the layer, whatever the layer is called."""
    return variable.path.removeprefix(f"{layer.name}/")


def draw_weights(layer):
    """Sets every weight of a built layer or model from its path's CRC-32.

    Kernels keep the size of their inputs; nothing stays at zero or one, so
    that a bias or a scale that is left out shows.
    """
    for variable in layer.weights:
        path = relative_path(layer, variable)
        rng = np.random.default_rng(zlib.crc32(path.encode()))
        value = rng.normal(size=variable.shape)
        name = path.rsplit("/", 1)[-1]
        if name in ("gamma", "moving_variance"):
            value = 1 + 0.2 * np.tanh(value)
        elif len(variable.shape) < 2 or "bias" in name:
            value = 0.2 * value
        elif "depthwise" in path:
            value = value / np.sqrt(variable.shape[0])
        else:
            value = value / np.sqrt(np.prod(variable.shape[:-1]))
        variable.assign(value.astype("float32"))
    return layer
