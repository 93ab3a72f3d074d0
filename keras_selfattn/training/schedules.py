"""Learning rates over the steps of a training."""

import math

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_selfattn")
class WarmupCosine(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to the peak, then half a cosine down to the end.

    Reference: Loshchilov and Hutter 2017 (arXiv:1608.03983), section 3,
    without restarts; warm-up as in Vaswani et al. 2017 (arXiv:1706.03762),
    section 5.3.

    Args:
        peak: float > 0, highest learning rate.
        total_steps: int, steps of the whole training.
        warmup_steps: int < total_steps, steps up to the peak.
        final_fraction: float in [0, 1], last rate as a part of the peak.

    Raises:
        ValueError: where the steps do not fit together.

    Example:
        >>> schedule = WarmupCosine(1e-3, total_steps=1000, warmup_steps=100)
        >>> round(float(schedule(100)), 9)
        0.001
    """

    def __init__(self, peak, total_steps, warmup_steps, final_fraction=0.02):
        if not peak > 0 or not 0 <= warmup_steps < total_steps:
            raise ValueError(
                f"peak={peak}, warmup_steps={warmup_steps}, total_steps="
                f"{total_steps}: expected peak > 0 and 0 <= warmup_steps < "
                "total_steps."
            )
        if not 0 <= final_fraction <= 1:
            raise ValueError(
                f"final_fraction={final_fraction}; expected 0 to 1."
            )
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.final_fraction = final_fraction

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = (step + 1) / (self.warmup_steps + 1)
        done = (step - self.warmup_steps) / (
            self.total_steps - self.warmup_steps
        )
        done = ops.clip(done, 0.0, 1.0)
        cosine = 0.5 * (1 + ops.cos(math.pi * done))
        falling = self.final_fraction + (1 - self.final_fraction) * cosine
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self):
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "final_fraction": self.final_fraction,
        }


@keras.saving.register_keras_serializable(package="keras_selfattn")
class WarmupInverseSqrt(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up to the peak, then down by one over the root of the step.

    It knows no last step, so a training can go on for as long as it likes.

    Reference: Vaswani et al. 2017 (arXiv:1706.03762), section 5.3 ("Noam"),
    with the peak given in place of `D^-0.5 warmup_steps^-0.5`.

    Args:
        peak: float > 0, highest learning rate.
        warmup_steps: int >= 1, steps up to the peak.

    Raises:
        ValueError: for another peak or number of steps.

    Example:
        >>> schedule = WarmupInverseSqrt(1e-3, warmup_steps=100)
        >>> round(float(schedule(399)), 9)
        0.0005
    """

    def __init__(self, peak, warmup_steps):
        if not peak > 0 or warmup_steps < 1:
            raise ValueError(
                f"peak={peak}, warmup_steps={warmup_steps}: expected peak > 0 "
                "and warmup_steps >= 1."
            )
        self.peak = peak
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        step = ops.cast(step, "float32") + 1
        rising = step / self.warmup_steps
        falling = ops.rsqrt(ops.maximum(rising, 1.0))
        return self.peak * ops.minimum(rising, falling)

    def get_config(self):
        return {"peak": self.peak, "warmup_steps": self.warmup_steps}
