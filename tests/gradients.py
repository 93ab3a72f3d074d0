"""Gradients of a scalar with respect to Keras variables, on any backend."""

import keras
import numpy as np


def gradients(loss, variables):
    """Return `(value, gradients)` of `loss()` as NumPy arrays.

    `loss` takes nothing and returns a scalar tensor; to differentiate with
    respect to an input, wrap the input in a `keras.Variable` and use it
    inside `loss`. A variable that the loss does not use gives zeros.
    """
    compute = {
        "tensorflow": _tensorflow,
        "jax": _jax,
        "torch": _torch,
    }[keras.backend.backend()]
    value, found = compute(loss, variables)
    return value, [
        np.zeros(variable.shape, "float32") if gradient is None else gradient
        for variable, gradient in zip(variables, found, strict=True)
    ]


def assert_finite_and_used(layer, loss, unused=()):
    """Assert finite gradients, and that every trainable weight is reached.

    `unused` lists endings of variable paths whose gradient is zero by the
    mathematics (the bias of a key projection, for one).
    """
    variables = layer.trainable_variables
    assert variables, f"{layer.name} has no trainable variables"
    value, found = gradients(loss, variables)
    assert np.isfinite(value)
    for variable, gradient in zip(variables, found, strict=True):
        assert np.all(np.isfinite(gradient)), variable.path
        if not variable.path.endswith(tuple(unused)):
            assert np.any(np.abs(gradient) > 1e-9), variable.path


def _array(tensor):
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


def _torch(loss, variables):
    for variable in variables:
        variable.value.grad = None
    value = loss()
    value.backward()
    found = [variable.value.grad for variable in variables]
    return float(value.detach()), [
        None if gradient is None else _array(gradient) for gradient in found
    ]


def _tensorflow(loss, variables):
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss()
    found = tape.gradient(value, [variable.value for variable in variables])
    return float(value), [
        None if gradient is None else _array(tf.convert_to_tensor(gradient))
        for gradient in found
    ]


def _jax(loss, variables):
    import jax

    def function(values):
        mapping = list(zip(variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return loss()

    # Compiled as a whole: operation by operation takes ten times as long.
    value, found = jax.jit(jax.value_and_grad(function))(
        [variable.value for variable in variables]
    )
    return float(value), [_array(gradient) for gradient in found]
