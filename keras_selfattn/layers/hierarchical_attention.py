"""Hierarchical attention: words make sentences, sentences a document.

Shapes: `B` batch, `S` sentences, `W` words of a sentence, `D` features.
"""

import inspect

import keras
from keras import ops

from keras_selfattn.layers.attention_pooling import AttentionPooling


@keras.saving.register_keras_serializable(package="keras_selfattn")
class HierarchicalAttention(keras.layers.Layer):
    """Pools words into sentences and sentences into one document vector.

    Words are encoded within their sentence and pooled by attention; the
    sentences' vectors are encoded within the document and pooled by a second
    attention. With encoders of quadratic cost a document of `S W` words costs
    `S W^2 + S^2` in place of `(S W)^2`, and the two sets of weights say which
    sentence, and which words in it, made the document's vector.

    Padding has no weight; a sentence without words is padding itself, and a
    document without sentences gives zeros.

    Reference: Yang et al. 2016 (NAACL, N16-1174), section 2.2; the encoders,
    there bidirectional GRUs, are given here, or left out.

    Args:
        attention_dim: int, features in which words and sentences are judged;
            default: those of the encoders' outputs.
        word_encoder: layer, `(B, W, D)` to `(B, W, D')`, given the mask as
            `padding_mask` (an EncoderBlock) or as `mask` (a Keras RNN that
            returns sequences); None pools the words as they come.
        sentence_encoder: layer, the same for sentences.

    Call arguments:
        inputs: float `(B, S, W, D)`.
        padding_mask: bool `(B, S, W)`, True = real word, or None.
        return_attention_scores: bool, also return the weights.
        training: bool.

    Returns:
        float `(B, D'')`; with `return_attention_scores` also float
        `(B, S, W)`, the weights of words in their sentences, and float
        `(B, S)`, those of sentences.

    Raises:
        ValueError: for inputs or a mask of another rank.

    Example:
        >>> words = np.zeros((2, 5, 12, 64))
        >>> HierarchicalAttention(word_encoder=EncoderBlock(4, 128))(
        ...     words
        ... ).shape
        (2, 64)
    """

    def __init__(
        self,
        attention_dim=None,
        word_encoder=None,
        sentence_encoder=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.attention_dim = attention_dim
        self.word_encoder = _layer(word_encoder)
        self.sentence_encoder = _layer(sentence_encoder)
        policy = {"dtype": self.dtype_policy}
        self.word_attention = AttentionPooling(
            attention_dim, name="word_attention", **policy
        )
        self.sentence_attention = AttentionPooling(
            attention_dim, name="sentence_attention", **policy
        )

    def build(self, input_shape):
        if len(input_shape) != 4:
            raise ValueError(
                f"The inputs have shape {tuple(input_shape)}; expected (batch, "
                "sentences, words, features). Cut a flat sequence into "
                "sentences first: ops.reshape(x, (batch, -1, words, dim))."
            )
        shape = (None, None, input_shape[-1])
        for encoder, attention in (
            (self.word_encoder, self.word_attention),
            (self.sentence_encoder, self.sentence_attention),
        ):
            if encoder is not None:
                if not encoder.built:
                    encoder.build(shape)
                shape = tuple(encoder.compute_output_shape(shape))
            attention.build(shape)
            shape = (None, None, shape[-1])

    def call(
        self,
        inputs,
        padding_mask=None,
        return_attention_scores=False,
        training=False,
    ):
        batch, sentences, words = ops.shape(inputs)[:3]
        sentence_mask = None
        if padding_mask is not None:
            if len(padding_mask.shape) != 3:
                raise ValueError(
                    f"padding_mask has shape {tuple(padding_mask.shape)}; "
                    "expected (batch, sentences, words)."
                )
            sentence_mask = ops.any(padding_mask, axis=-1)  # (B, S)
            padding_mask = ops.reshape(padding_mask, (-1, words))
        x = ops.reshape(inputs, (-1, words, inputs.shape[-1]))  # (B S, W, D)
        x = _encode(self.word_encoder, x, padding_mask, training)
        x, word_weights = self.word_attention(
            x, padding_mask=padding_mask, return_attention_scores=True
        )
        x = ops.reshape(x, (batch, sentences, x.shape[-1]))  # (B, S, D')
        x = _encode(self.sentence_encoder, x, sentence_mask, training)
        x, sentence_weights = self.sentence_attention(
            x, padding_mask=sentence_mask, return_attention_scores=True
        )
        if not return_attention_scores:
            return x
        word_weights = ops.reshape(word_weights, (batch, sentences, words))
        return x, word_weights, sentence_weights

    def compute_output_spec(
        self,
        inputs,
        padding_mask=None,
        return_attention_scores=False,
        training=False,
    ):
        shape = (None, None, inputs.shape[-1])
        for encoder in (self.word_encoder, self.sentence_encoder):
            if encoder is not None:
                shape = tuple(encoder.compute_output_shape(shape))
        outputs = tuple(
            keras.KerasTensor(shape, self.compute_dtype)
            for shape in (
                (inputs.shape[0], shape[-1]),
                inputs.shape[:3],
                inputs.shape[:2],
            )
        )
        return outputs if return_attention_scores else outputs[0]

    def get_config(self):
        return {
            **super().get_config(),
            "attention_dim": self.attention_dim,
            **{
                name: _saved(
                    keras.saving.serialize_keras_object(getattr(self, name))
                )
                for name in ("word_encoder", "sentence_encoder")
            },
        }


def _layer(encoder):
    """The layer itself, or the one its saved config describes."""
    if isinstance(encoder, dict):
        return keras.saving.deserialize_keras_object(encoder)
    return encoder


def _saved(config):
    """A config without shapes: an encoder is built by the layer around it."""
    if isinstance(config, dict):
        return {
            key: _saved(value)
            for key, value in config.items()
            if key != "build_config"
        }
    return config


def _encode(encoder, x, padding_mask, training):
    """Calls an encoder with its mask under the name that it knows."""
    if encoder is None:
        return x
    known = inspect.signature(encoder.call).parameters
    arguments = {}
    if padding_mask is not None:
        name = "padding_mask" if "padding_mask" in known else "mask"
        arguments[name] = padding_mask
    if "training" in known:
        arguments["training"] = training
    return encoder(x, **arguments)
