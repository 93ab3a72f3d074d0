"""Training objectives."""

from keras_selfattn.losses.cross_entropy import (
    SmoothedCrossEntropy,
    smoothed_cross_entropy,
)
from keras_selfattn.losses.ctc import ctc_loss
from keras_selfattn.losses.distillation import frame_distillation
from keras_selfattn.losses.flat_start import flat_start_loss

__all__ = [
    "SmoothedCrossEntropy",
    "ctc_loss",
    "flat_start_loss",
    "frame_distillation",
    "smoothed_cross_entropy",
]
