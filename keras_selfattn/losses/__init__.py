"""Training objectives."""

from keras_selfattn.losses.ctc import ctc_loss

__all__ = ["ctc_loss"]
