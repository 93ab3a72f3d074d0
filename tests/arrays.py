"""Inputs and outputs of the layers' tests as NumPy arrays."""

import keras
import numpy as np

# Largest error of outputs of order 1 against the float64 reference, by the
# dtype policy the layer computes in.
TOLERANCES = {"float32": 2e-5, "mixed_bfloat16": 6e-2, "mixed_float16": 1e-2}


def to_numpy(tensor):
    """A tensor of any backend; floats as float32."""
    dtype = keras.backend.standardize_dtype(tensor.dtype)
    if keras.backend.is_float_dtype(dtype):
        tensor = keras.ops.cast(tensor, "float32")
    return keras.ops.convert_to_numpy(tensor)


def sequences(batch=2, length=7, dim=8, seed=0):
    """Normal random inputs, float32 `(batch, length, dim)`."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(batch, length, dim)).astype("float32")


def prefix_mask(lengths, max_length):
    """bool `(batch, max_length)`, True for the first `lengths[b]` places."""
    return np.arange(max_length) < np.asarray(lengths)[:, None]


def spoil(inputs, mask, value=1e4):
    """A copy whose places outside the mask hold `value`."""
    return np.where(mask[..., None], inputs, np.float32(value))


def waveform(length, seed=0, noise=0.01):
    """Two tones and noise at 16 kHz, float32 `(length,)` in [-1, 1]."""
    t = np.arange(length) / 16000
    tones = 0.3 * np.sin(2 * np.pi * 440 * t) + 0.1 * np.sin(6000 * t * t)
    hiss = np.random.default_rng(seed).normal(size=length)
    return (tones + noise * hiss).astype("float32")
