"""Training objectives."""

from keras_selfattn.losses.cross_entropy import SmoothedCrossEntropy
from keras_selfattn.losses.ctc import ctc_loss
from keras_selfattn.losses.label_smoothing import smoothed_cross_entropy

__all__ = ["SmoothedCrossEntropy", "ctc_loss", "smoothed_cross_entropy"]
