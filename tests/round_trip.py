"""Saving a layer inside a `.keras` file and getting the same layer back."""

import keras
import numpy as np

from tests.arrays import to_numpy


def assert_round_trip(layer, tmp_path, **inputs):
    """Saves a model around `layer`, loads it and compares its outputs.

    The first of `inputs` is the layer's positional argument, the others are
    keyword arguments; axis 1 is left unknown in the model.
    """
    symbols = {
        name: keras.Input(
            tuple(
                None if axis == 0 else size
                for axis, size in enumerate(value.shape[1:])
            ),
            dtype=str(value.dtype),
            name=name,
        )
        for name, value in inputs.items()
    }
    first, *names = symbols
    outputs = layer(symbols[first], **{n: symbols[n] for n in names})
    if isinstance(outputs, (tuple, list)):
        outputs = [output for output in outputs if output is not None]
    model = keras.Model(symbols, outputs)
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = keras.models.load_model(path)
    twin = loaded.get_layer(layer.name)
    assert twin is not layer
    assert type(twin) is type(layer)
    assert twin.get_config() == layer.get_config()
    expected, found = model(inputs), loaded(inputs)
    if not isinstance(expected, (tuple, list)):
        expected, found = [expected], [found]
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(
            to_numpy(other), to_numpy(one), rtol=1e-6, atol=1e-6
        )
