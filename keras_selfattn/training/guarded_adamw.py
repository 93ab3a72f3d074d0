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

    A variable may have a learning rate of its own, a factor of the common
    one; its weight decay is scaled alike, and its moments are as ever.

    Reference: Loshchilov and Hutter 2019 (arXiv:1711.05101), Algorithm 2;
    skipping steps as under loss scaling, Micikevicius et al. 2018
    (arXiv:1710.03740), section 3.2.

    Args:
        learning_rate: float or schedule.
        learning_rate_scales: dict of a variable's path to the factor of its
            learning rate, float >= 0; others have 1. See
            `fine_tuning.layer_scales`.
        **kwargs: those of `keras.optimizers.AdamW`.

    Raises:
        ValueError: a factor below 0, or of a path that no variable has.

    Example:
        >>> optimizer = GuardedAdamW(1e-3, global_clipnorm=5.0)
        >>> model.compile(optimizer, loss="mse")
    """

    def __init__(
        self, learning_rate=0.001, learning_rate_scales=None, **kwargs
    ):
        super().__init__(learning_rate, **kwargs)
        scales = dict(learning_rate_scales or {})
        if low := {path: s for path, s in scales.items() if not s >= 0}:
            raise ValueError(f"learning_rate_scales must be >= 0; got {low}.")
        self.learning_rate_scales = scales

    def build(self, variables):
        if self.built:
            return
        variables = list(variables)
        known = {variable.path for variable in variables}
        if unknown := sorted(set(self.learning_rate_scales) - known):
            raise ValueError(
                f"learning_rate_scales names {', '.join(unknown[:5])}; no "
                "variable that is trained has such a path."
            )
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
        if trainable_variables is not None:
            trainable_variables = list(trainable_variables)
        scales = self.learning_rate_scales
        scaled = [
            (variable, scales[variable.path])
            for variable in trainable_variables or self._trainable_variables
            if variable.path in scales
        ]
        before = [ops.copy(variable) for variable, _ in scaled]
        super().apply(grads, trainable_variables)
        # A step is a multiple of its learning rate, so a part of the step is
        # the step of that part; where none is taken (accumulation), none is.
        for (variable, scale), old in zip(scaled, before, strict=True):
            variable.assign(old + scale * (variable - old))
        self.skipped.assign_add(1 - ops.cast(finite, "int32"))

    def get_config(self):
        return {
            **super().get_config(),
            "learning_rate_scales": self.learning_rate_scales,
        }
