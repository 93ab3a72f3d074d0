"""The largest tensor that a computation makes on its way, on any backend."""

import math

import keras


def largest_intermediate(function, inputs):
    """Return the number of elements of the largest tensor in `function`.

    `function` takes one array; what a fused kernel keeps to itself is not
    seen (it never stores what it fuses).
    """
    measure = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}
    return measure[keras.backend.backend()](function, inputs)


def _torch(function, inputs):
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode

    class Watch(TorchDispatchMode):
        largest = 0

        def __torch_dispatch__(self, kernel, types, args=(), kwargs=None):
            made = kernel(*args, **(kwargs or {}))
            for tensor in keras.tree.flatten(made):
                if isinstance(tensor, torch.Tensor):
                    # What is only spread by strides takes no memory.
                    held = tensor.untyped_storage().nbytes()
                    held //= tensor.element_size()
                    self.largest = max(self.largest, min(held, tensor.numel()))
            return made

    with torch.no_grad(), Watch() as watch:
        function(torch.as_tensor(inputs))
    return watch.largest


def _jax(function, inputs):
    import jax

    def sizes(jaxpr):
        for equation in jaxpr.eqns:
            yield from (math.prod(v.aval.shape) for v in equation.outvars)
            for value in jax.tree.leaves(
                equation.params, is_leaf=lambda x: hasattr(x, "eqns")
            ):
                inner = getattr(value, "jaxpr", value)
                if hasattr(inner, "eqns"):
                    yield from sizes(inner)

    return max(sizes(jax.make_jaxpr(function)(inputs).jaxpr))


def _tensorflow(function, inputs):
    import tensorflow as tf

    graph = (
        tf.function(function)
        .get_concrete_function(tf.TensorSpec(inputs.shape, inputs.dtype))
        .graph
    )
    return max(
        math.prod(tensor.shape)
        for operation in graph.get_operations()
        for tensor in operation.outputs
        if tensor.shape.is_fully_defined()
    )
