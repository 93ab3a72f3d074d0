"""Training objectives."""

from keras_selfattn.losses.cross_entropy import (
    SmoothedCrossEntropy,
    smoothed_cross_entropy,
)
from keras_selfattn.losses.ctc import ctc_loss

__all__ = ["SmoothedCrossEntropy", "ctc_loss", "smoothed_cross_entropy"]
