"""Weights of one model for another.

Always copies: on JAX a variable that is assigned another shares its buffer,
and the first of the two models that is trained gives the buffer away.
"""

import keras


def value_of(variable):
    """A variable's value, an array of its own."""
    return keras.ops.convert_to_numpy(variable.value).copy()


def copy_weights(target, source):
    """Gives a model, or a part of one, the weights of another.

    Args:
        target: keras.Model or layer that is built; all its weights change.
        source: another that has weights of these paths, and may have more.

    Raises:
        ValueError: the other lacks a weight, or has it in another shape.
    """
    values = {variable.path: variable for variable in source.weights}
    for variable in target.weights:
        found = values.get(variable.path)
        if found is None or tuple(found.shape) != tuple(variable.shape):
            what = "nothing" if found is None else tuple(found.shape)
            raise ValueError(
                f"{variable.path}: expected {tuple(variable.shape)} in the "
                f"weights to begin with, found {what}."
            )
    for variable in target.weights:
        variable.assign(value_of(values[variable.path]))
