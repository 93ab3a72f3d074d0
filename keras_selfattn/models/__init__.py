"""Backbones: one architecture a file; they know no text or audio files."""

from keras_selfattn.models.conformer import ConformerEncoder

__all__ = ["ConformerEncoder"]
