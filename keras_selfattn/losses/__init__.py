"""Training objectives."""

from keras_selfattn.losses.cross_entropy import SmoothedCrossEntropy
from keras_selfattn.losses.ctc import ctc_loss

__all__ = ["SmoothedCrossEntropy", "ctc_loss"]
