"""Layers: self-attention and its relatives, in `keras.ops` only."""

from keras_selfattn.layers.add_bias import AddBias
from keras_selfattn.layers.attention_cache import empty_cache
from keras_selfattn.layers.attention_pooling import AttentionPooling
from keras_selfattn.layers.attention_positions import (
    AlibiPositions,
    RotaryPositions,
    T5RelativeBuckets,
    TransformerXLPositions,
)
from keras_selfattn.layers.classic_features import (
    MFCC,
    SpectralEntropy,
    ZeroCrossingRate,
)
from keras_selfattn.layers.conditional_batch_normalization import (
    ConditionalBatchNormalization,
)
from keras_selfattn.layers.conformer_block import ConformerBlock
from keras_selfattn.layers.convolution_module import ConvolutionModule
from keras_selfattn.layers.convolutional_subsampling import (
    ConvolutionalSubsampling,
)
from keras_selfattn.layers.cross_attention import MultiHeadCrossAttention
from keras_selfattn.layers.decoder_block import DecoderBlock
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.feed_forward import FeedForward
from keras_selfattn.layers.hierarchical_attention import HierarchicalAttention
from keras_selfattn.layers.joined_features import JoinedFeatures
from keras_selfattn.layers.local_attention import LocalSelfAttention
from keras_selfattn.layers.low_rank_attention import LowRankSelfAttention
from keras_selfattn.layers.masked_pooling import MaskedPooling
from keras_selfattn.layers.normalization import RMSNorm
from keras_selfattn.layers.nystrom_attention import NystromSelfAttention
from keras_selfattn.layers.positions import (
    LearnedPositions,
    SinusoidalPositions,
)
from keras_selfattn.layers.precomputed_features import PrecomputedFeatures
from keras_selfattn.layers.residual_image_blocks import (
    ResidualDownBlock,
    ResidualUpBlock,
)
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from keras_selfattn.layers.self_attention_2d import SelfAttention2D
from keras_selfattn.layers.spec_augment import SpecAugment
from keras_selfattn.layers.spectral import Framing, LogMelSpectrogram
from keras_selfattn.layers.spectral_normalization import (
    SpectralConv2D,
    SpectralDense,
    SpectralEmbedding,
)
from keras_selfattn.layers.t5_buckets import T5PositionBias
from keras_selfattn.layers.waveform_stem import WaveformStem
from keras_selfattn.layers.word_dropout import WordDropout

__all__ = [
    "AddBias",
    "AlibiPositions",
    "AttentionPooling",
    "ConditionalBatchNormalization",
    "ConformerBlock",
    "ConvolutionModule",
    "ConvolutionalSubsampling",
    "DecoderBlock",
    "EncoderBlock",
    "FeedForward",
    "Framing",
    "HierarchicalAttention",
    "JoinedFeatures",
    "LearnedPositions",
    "LocalSelfAttention",
    "LogMelSpectrogram",
    "LowRankSelfAttention",
    "MFCC",
    "MaskedPooling",
    "MultiHeadCrossAttention",
    "MultiHeadSelfAttention",
    "NystromSelfAttention",
    "PrecomputedFeatures",
    "RMSNorm",
    "ResidualDownBlock",
    "ResidualUpBlock",
    "RotaryPositions",
    "SelfAttention2D",
    "SinusoidalPositions",
    "SpecAugment",
    "SpectralConv2D",
    "SpectralDense",
    "SpectralEmbedding",
    "SpectralEntropy",
    "T5PositionBias",
    "T5RelativeBuckets",
    "TransformerXLPositions",
    "WaveformStem",
    "WordDropout",
    "ZeroCrossingRate",
    "empty_cache",
]
