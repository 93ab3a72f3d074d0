"""Data-parallel training by sums over processes, for torch and TensorFlow.

Each process has the whole model and its rows of a batch. The mean of the
processes' gradients is taken before the optimizer's `apply`, so clipping, the
skipping of steps that are not finite, accumulation and loss scaling see what
one process with all rows would see.
"""

import math

import numpy as np
from keras import ops

from keras_selfattn.losses.batch_mean import counts_over_processes
from keras_selfattn.training.distribution import Distribution

_BUCKET = 2**24  # numbers that are summed at once, at most
_SEED_STEP = 7919


class SummedGradients(Distribution):
    """Abstract: a child says how tensors and integers are summed."""

    def sum_tensor(self, tensor):
        """The sum over all processes of a float32 tensor `(N,)`."""
        raise NotImplementedError(  # abstract
            f"{type(self).__name__} does not define sum_tensor()."
        )

    def prepare(self, model, restore=None):
        found = super().prepare(model, restore)
        self._broadcast([*model.variables, *model.optimizer.variables])
        self._sum_before(model.optimizer)
        if hasattr(model.train_step, "over_processes"):
            return found
        step = model.train_step

        def train_step(data):
            with counts_over_processes(self._sum_scalar, self.size):
                logs = step(data)
            names = sorted(logs)
            values = [ops.cast(logs[name], "float32") for name in names]
            sums = self.sum_tensor(ops.stack(values))
            return {name: sums[i] / self.size for i, name in enumerate(names)}

        train_step.over_processes = True
        model.train_step = train_step
        model.jit_compile = False  # XLA cannot wait for other processes
        model.make_train_function(force=True)
        return found

    def _sum_scalar(self, scalar):
        return self.sum_tensor(ops.reshape(scalar, (1,)))[0]

    def _sum_before(self, optimizer):
        """Lets an optimizer (of loss scaling: the outer one) see the mean."""
        apply = optimizer.apply
        if hasattr(apply, "over_processes"):
            return

        def apply_mean(grads, trainable_variables=None):
            variables = trainable_variables or optimizer._trainable_variables
            shapes = [tuple(variable.shape) for variable in variables]
            return apply(self._mean(grads, shapes), trainable_variables)

        apply_mean.over_processes = True
        optimizer.apply = apply_mean

    def _mean(self, grads, shapes):
        """The mean over processes, which lack the same gradients (None).

        Shapes are the variables': TensorFlow does not know all gradients'.
        """
        found = list(grads)
        bucket, room = [], _BUCKET
        for place, grad in enumerate(found):
            if grad is None:
                continue
            number = math.prod(shapes[place])
            if bucket and number > room:
                self._mean_of(found, shapes, bucket)
                bucket, room = [], _BUCKET
            bucket.append(place)
            room -= number
        if bucket:
            self._mean_of(found, shapes, bucket)
        return found

    def _mean_of(self, grads, shapes, places):
        """Puts the means of the gradients at some places into their list."""
        dense = [ops.convert_to_tensor(grads[place]) for place in places]
        flat = [ops.reshape(ops.cast(g, "float32"), (-1,)) for g in dense]
        means = self.sum_tensor(ops.concatenate(flat)) / self.size
        first = 0
        for place, grad in zip(places, dense, strict=True):
            last = first + math.prod(shapes[place])
            mean = ops.reshape(means[first:last], shapes[place])
            grads[place] = ops.cast(mean, grad.dtype)
            first = last

    def _broadcast(self, variables):
        """Gives all processes the first one's values, and seeds of their own.

        The same seed would leave out the same places of every process's rows.
        """
        for variable in variables:
            value = np.array(ops.convert_to_numpy(variable.value), order="C")
            own = np.frombuffer(
                value.tobytes() + b"\0" * (-value.nbytes % 4), "int32"
            )
            if not self.is_first:
                own = np.zeros_like(own)
            shared = self.sum_integers(own).tobytes()[: value.nbytes]
            value = np.frombuffer(shared, value.dtype).reshape(value.shape)
            if variable.path.endswith("seed_generator_state"):
                value = value.copy()
                value[0] += self.rank * _SEED_STEP
            variable.assign(value)
