"""Layers: self-attention and its relatives, in `keras.ops` only."""

from keras_selfattn.layers.classic_features import (
    MFCC,
    SpectralEntropy,
    ZeroCrossingRate,
)
from keras_selfattn.layers.conformer_block import ConformerBlock
from keras_selfattn.layers.convolution_module import ConvolutionModule
from keras_selfattn.layers.convolutional_subsampling import (
    ConvolutionalSubsampling,
)
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.feed_forward import FeedForward
from keras_selfattn.layers.positions import (
    LearnedPositions,
    SinusoidalPositions,
)
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import Framing, LogMelSpectrogram

__all__ = [
    "MFCC",
    "ConformerBlock",
    "ConvolutionModule",
    "ConvolutionalSubsampling",
    "EncoderBlock",
    "FeedForward",
    "Framing",
    "LearnedPositions",
    "LogMelSpectrogram",
    "MultiHeadSelfAttention",
    "SinusoidalPositions",
    "SpecAugment",
    "SpectralEntropy",
    "ZeroCrossingRate",
]
