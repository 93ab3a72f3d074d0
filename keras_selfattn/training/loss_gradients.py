"""A loss and its gradients, on every backend, inside a `train_step`.

Keras has no function for it: each backend's trainer has its own. With this
one, a training step of several losses and optimizers is written once, in
`keras.ops` and with variables that are assigned.
"""

import keras


def value_and_gradients(function, variables, held=()):
    """What a function gives, and its gradients.

    On JAX the step has to run in a `keras.StatelessScope`, whose values are
    read and given back; see `AdversarialModel.train_step`.

    Args:
        function: takes nothing and gives a float scalar; it may assign
            variables that are not trained, such as moving means.
        variables: list of keras.Variable, to take gradients by.
        held: list of keras.Variable, all others that the function reads or
            assigns; only JAX needs them.

    Returns:
        float scalar, list of gradients.
    """
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        values = [variable.value for variable in variables]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(values)
            loss = function()
        return loss, tape.gradient(loss, values)
    if backend == "torch":
        import torch

        loss = function()
        values = [variable.value for variable in variables]
        return loss.detach(), list(torch.autograd.grad(loss, values))
    return _with_jax(function, variables, held)


def apply_gradients(optimizer, gradients, variables):
    """One step of an optimizer; torch records nothing of it.

    Args:
        optimizer: keras.optimizers.Optimizer.
        gradients: list of gradients, as `value_and_gradients` gives them.
        variables: list of keras.Variable, in the same order.
    """
    if keras.backend.backend() != "torch":
        optimizer.apply(gradients, variables)
        return
    import torch

    with torch.no_grad():
        optimizer.apply(gradients, variables)


def _with_jax(function, variables, held):
    import jax

    trained = {id(variable) for variable in variables}
    held = [variable for variable in held if id(variable) not in trained]
    fixed = [variable.value for variable in held]

    def pure(values):
        mapping = [
            *zip(variables, values, strict=True),
            *zip(held, fixed, strict=True),
        ]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            loss = function()
        return loss, [scope.get_current_value(variable) for variable in held]

    values = [variable.value for variable in variables]
    gradient = jax.value_and_grad(pure, has_aux=True)
    (loss, updated), gradients = gradient(values)
    for variable, before, after in zip(held, fixed, updated, strict=True):
        if after is not before:
            variable.assign(after)
    return loss, gradients
