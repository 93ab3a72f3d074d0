"""AdamW that a batch with NaN or infinite gradients cannot spoil."""

import keras
from keras import ops

# On torch Keras hands out a class of its own, which updates all variables in a
# few calls; a subclass of the public name would update one after another.
_AdamW = type(keras.optimizers.AdamW())


@keras.saving.register_keras_serializable(package="keras_selfattn")
class GuardedAdamW(_AdamW):
    """AdamW that takes a gradient that is not finite for zero, whole.

    With a plain optimizer one such gradient makes every weight NaN at that
    step (at clipping, by the global norm), on every backend, and the
    training is lost from there. Here the step coasts: momentum and weight
    decay act, and all values stay finite. Such steps are counted in
    `skipped`, a variable, so that the count is in checkpoints too.

    Reference: Loshchilov and Hutter 2019 (arXiv:1711.05101), Algorithm 2;
    skipping steps as under loss scaling, Micikevicius et al. 2018
    (arXiv:1710.03740), section 3.2.

    Args:
        **kwargs: those of `keras.optimizers.AdamW`.

    Example:
        >>> optimizer = GuardedAdamW(1e-3, global_clipnorm=5.0)
        >>> model.compile(optimizer, loss="mse")
    """

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        self.skipped = self.add_variable((), dtype="int32", name="skipped")

    def apply(self, grads, trainable_variables=None):
        grads = list(grads)
        # The sum is finite only if all terms are (or overflows: as bad).
        sums = [
            ops.sum(ops.cast(grad, "float32"))
            for grad in grads
            if grad is not None
        ]
        finite = ops.all(ops.isfinite(ops.stack(sums)))
        grads = [
            None
            if grad is None
            else ops.where(finite, grad, ops.zeros_like(grad))
            for grad in grads
        ]
        super().apply(grads, trainable_variables)
        self.skipped.assign_add(1 - ops.cast(finite, "int32"))
