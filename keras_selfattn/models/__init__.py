"""Backbones: one architecture a file; they know no text or audio files."""

from keras_selfattn.models.attention_decoder import AttentionDecoder
from keras_selfattn.models.bert import BertEncoder
from keras_selfattn.models.biggan_discriminator import BigGANDiscriminator
from keras_selfattn.models.biggan_generator import BigGANGenerator
from keras_selfattn.models.causal_transformer import CausalTransformer
from keras_selfattn.models.conformer import ConformerEncoder
from keras_selfattn.models.moonshine import Moonshine
from keras_selfattn.models.t5 import T5
from keras_selfattn.models.text_cnn import TextCNN
from keras_selfattn.models.text_encoder import TextEncoder
from keras_selfattn.models.text_rnn import TextRNN
from keras_selfattn.models.transformer import Transformer
from keras_selfattn.models.whisper import Whisper

__all__ = [
    "AttentionDecoder",
    "BertEncoder",
    "BigGANDiscriminator",
    "BigGANGenerator",
    "CausalTransformer",
    "ConformerEncoder",
    "Moonshine",
    "T5",
    "TextCNN",
    "TextEncoder",
    "TextRNN",
    "Transformer",
    "Whisper",
]
