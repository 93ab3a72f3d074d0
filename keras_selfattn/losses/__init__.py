"""Training objectives."""

from keras_selfattn.losses.cross_entropy import (
    SmoothedCrossEntropy,
    smoothed_cross_entropy,
)
from keras_selfattn.losses.ctc import ctc_loss
from keras_selfattn.losses.distillation import frame_distillation

__all__ = [
    "SmoothedCrossEntropy",
    "ctc_loss",
    "frame_distillation",
    "smoothed_cross_entropy",
]
