"""The layers to convert, and the child process that converts them.

`python -m tests.export.layer_cases FOLDER` writes `<case>.tflite` for every
case, or `<case>.error` with the converter's words. The test builds the same
layers on its own backend: weights come from their paths (`fixed_weights`).
"""

import sys
from pathlib import Path

import keras
import numpy as np

from keras_selfattn import layers
from tests.arrays import prefix_mask, sequences
from tests.fixed_weights import draw_weights

SHORT, LONG = 7, 45
DIM, HEADS = 8, 2


class Case:
    """A layer, how it is called, and inputs of a length.

    Args:
        layer: type of the layer.
        arguments: dict of its arguments.
        inputs: takes a length; gives a dict of arrays.
        call: takes the layer and the inputs by name; gives tensors.
        build: shapes that the layer is built with.
    """

    def __init__(
        self, layer, arguments=None, inputs=None, call=None, build=None
    ):
        self.layer = layer
        self.arguments = arguments or {}
        self.inputs = inputs or masked
        self.call = call or (lambda layer, x, mask: layer(x, padding_mask=mask))
        self.shapes = build or ((None, None, DIM),)

    def make(self):
        layer = self.layer(**self.arguments, name="layer")
        layer.build(*self.shapes)
        return draw_weights(layer)

    def outputs(self, layer, **inputs):
        """All tensors that the call gives, by `output_0`, `output_1`, ..."""
        found = keras.tree.flatten(self.call(layer, **inputs))
        return {f"output_{i}": value for i, value in enumerate(found)}


def alone(length):
    return {"x": sequences(batch=1, length=length)}


def masked(length):
    return {**alone(length), "mask": prefix_mask([length - 2], length)}


def with_context(length):
    """Queries of one length, a context of another."""
    return {
        **alone(length),
        "context": sequences(1, length + 4, 6, seed=1),
        "context_mask": prefix_mask([length + 1], length + 4),
    }


def counted(length):
    """Frames, and how many of them are real."""
    return {**alone(length), "count": np.array([length - 2], "int32")}


def counted_samples(length):
    """Two hundred samples a place, the last of them padding."""
    samples = sequences(1, 200 * length, 1)[..., 0]
    return {"x": samples, "count": np.array([198 * length], "int32")}


def document(length):
    rng = np.random.default_rng(0)
    words = rng.normal(size=(1, length, length + 2, DIM)).astype("float32")
    mask = np.broadcast_to(np.arange(length + 2) < 4, words.shape[:3]).copy()
    mask[:, 2:] = False
    return {"x": words, "mask": mask}


def step(length):
    """One token, or a few, and a half-filled cache of nine places."""
    rng = np.random.default_rng(2)
    cache = rng.normal(size=(2, 1, HEADS, 9, DIM // HEADS)).astype("float32")
    return {
        "x": sequences(1, 1 if length == SHORT else 3),
        "key": cache[0],
        "value": cache[1],
        "index": np.array(4, "int32"),
    }


def step_with_context(length):
    rng = np.random.default_rng(3)
    shape = (2, 1, HEADS, length, DIM // HEADS)
    cache = rng.normal(size=shape).astype("float32")
    return {**step(length), "context_key": cache[0], "context_value": cache[1]}


def image(length):
    rng = np.random.default_rng(4)
    return {"x": rng.normal(size=(1, length, 5, DIM)).astype("float32")}


def image_and_condition(length):
    condition = np.random.default_rng(5).normal(size=(1, 3))
    return {**image(length), "condition": condition.astype("float32")}


def class_ids(length):
    return {"x": (np.arange(length) % 9).astype("int32")}


def call_with_condition(layer, x, condition):
    return layer(x, condition)


def call_plain(layer, x):
    return layer(x)


def call_causal(layer, x, mask):
    return layer(x, padding_mask=mask, use_causal_mask=True)


def call_with_scores(layer, x, mask):
    return layer(x, padding_mask=mask, return_attention_scores=True)


def call_masked(layer, x, mask):
    return layer(x, padding_mask=mask)


def call_with_context(layer, x, context, context_mask):
    return layer(x, context, context_padding_mask=context_mask)


def call_step(layer, x, key, value, index):
    return layer(
        x,
        use_causal_mask=True,
        cache={"key": key, "value": value},
        cache_index=index,
    )


def call_step_with_context(
    layer, x, key, value, index, context_key, context_value
):
    cache = {
        "self": {"key": key, "value": value},
        "context": {"key": context_key, "value": context_value},
    }
    return layer(x, cache=cache, cache_index=index)


FULL = {"num_heads": HEADS}
BLOCK = {"num_heads": HEADS, "intermediate_dim": 12}
TWO_SHAPES = ((None, None, DIM), (None, None, 6))
IMAGE = ((None, None, None, DIM),)
IMAGE_AND_CONDITION = (*IMAGE, (None, 3))
CASES = {
    "full": Case(layers.MultiHeadSelfAttention, FULL),
    **{
        f"full_{positions}": Case(
            layers.MultiHeadSelfAttention,
            {**FULL, "positions": positions},
            call=call_causal,
        )
        for positions in ("rotary", "relative", "alibi", "t5")
    },
    "full_rotary_neighbours": Case(
        layers.MultiHeadSelfAttention,
        {
            **FULL,
            "positions": layers.RotaryPositions(
                fraction=0.5, pairs="neighbours"
            ),
        },
        call=call_causal,
    ),
    "full_grouped_capped": Case(
        layers.MultiHeadSelfAttention,
        {"num_heads": 4, "num_key_value_heads": 2, "soft_cap": 5.0},
        call=call_with_scores,
    ),
    **{
        f"full_step_{positions}": Case(
            layers.MultiHeadSelfAttention,
            {**FULL, "positions": positions},
            step,
            call_step,
        )
        for positions in ("rotary", "relative")
    },
    "cross": Case(
        layers.MultiHeadCrossAttention,
        FULL,
        with_context,
        call_with_context,
        TWO_SHAPES,
    ),
    "local_window": Case(
        layers.LocalSelfAttention,
        {**FULL, "window": 5, "right": 3, "positions": "relative"},
    ),
    "local_wide": Case(
        layers.LocalSelfAttention,
        {**FULL, "window": 70, "positions": "t5"},
        alone,
        call_plain,
    ),
    "local_chunk": Case(
        layers.LocalSelfAttention,
        {
            **FULL,
            "chunk_size": 4,
            "left_context": 6,
            "positions": "rotary",
            "num_key_value_heads": 1,
        },
    ),
    "local_step": Case(
        layers.LocalSelfAttention,
        {**FULL, "window": 9, "positions": "rotary"},
        step,
        call_step,
    ),
    "low_rank": Case(
        layers.LowRankSelfAttention,
        {**FULL, "rank": 5, "max_sequence_length": 64},
        call=call_with_scores,
    ),
    "nystrom": Case(
        layers.NystromSelfAttention,
        {**FULL, "num_landmarks": 5, "kernel_size": 3},
    ),
    "pooling": Case(layers.AttentionPooling, call=call_with_scores),
    "pooling_mean": Case(layers.MaskedPooling, {}, call=call_masked),
    "pooling_max": Case(
        layers.MaskedPooling, {"kind": "max"}, call=call_masked
    ),
    "pooling_sqrt": Case(
        layers.MaskedPooling, {"kind": "sqrt"}, call=call_masked
    ),
    "hierarchical": Case(
        layers.HierarchicalAttention,
        {
            "word_encoder": layers.EncoderBlock(**BLOCK, name="words"),
            "sentence_encoder": layers.EncoderBlock(**BLOCK, name="sentences"),
        },
        document,
        call_with_scores,
        ((None, None, None, DIM),),
    ),
    "encoder_block": Case(layers.EncoderBlock, BLOCK, call=call_causal),
    "encoder_block_local": Case(
        layers.EncoderBlock,
        {
            **BLOCK,
            "attention": {"kind": "local", "window": 3, "right": 3},
            "norm": "rms",
            "activation": "swiglu",
            "norm_first": False,
        },
    ),
    "decoder_block": Case(
        layers.DecoderBlock,
        {**BLOCK, "positions": "rotary"},
        with_context,
        call_with_context,
        TWO_SHAPES,
    ),
    "decoder_block_step": Case(
        layers.DecoderBlock,
        {**BLOCK, "positions": "rotary", "activation": "geglu"},
        step_with_context,
        call_step_with_context,
        TWO_SHAPES,
    ),
    "conformer_block": Case(layers.ConformerBlock, {**BLOCK, "kernel_size": 3}),
    "convolution": Case(layers.ConvolutionModule, {"kernel_size": 3}),
    "subsampling": Case(layers.ConvolutionalSubsampling, {"filters": 6}),
    "feed_forward": Case(
        layers.FeedForward,
        {"intermediate_dim": 12, "activation": "reglu"},
        alone,
        call_plain,
    ),
    "add_bias": Case(layers.AddBias, {}, alone, call_plain),
    "precomputed_features": Case(
        layers.PrecomputedFeatures,
        {"num_features": DIM},
        counted,
        lambda layer, x, count: layer(x, count)[0],
    ),
    "rms_norm": Case(layers.RMSNorm, {}, alone, call_plain),
    "sinusoidal": Case(layers.SinusoidalPositions, {}, alone, call_plain),
    "learned": Case(
        layers.LearnedPositions,
        {"max_sequence_length": 64},
        alone,
        call_plain,
    ),
    "t5_bias": Case(layers.T5PositionBias, FULL, alone, call_plain),
    "waveform_stem": Case(
        layers.WaveformStem,
        {"hidden_dim": DIM},
        counted_samples,
        lambda layer, x, count: layer(x, count),
        ((None, None),),
    ),
    "image_attention": Case(
        layers.SelfAttention2D,
        {"num_heads": 2, "spectral_normalization": True},
        image,
        lambda layer, x: layer(x, return_attention_scores=True),
        IMAGE,
    ),
    "up_block": Case(
        layers.ResidualUpBlock,
        {"filters": 4, "spectral_normalization": True},
        image_and_condition,
        call_with_condition,
        IMAGE_AND_CONDITION,
    ),
    "down_block": Case(
        layers.ResidualDownBlock, {"filters": 4}, image, call_plain, IMAGE
    ),
    "conditional_norm": Case(
        layers.ConditionalBatchNormalization,
        {},
        image_and_condition,
        call_with_condition,
        IMAGE_AND_CONDITION,
    ),
    "spectral_convolution": Case(
        layers.SpectralConv2D,
        {"filters": 4, "kernel_size": 3},
        image,
        call_plain,
        IMAGE,
    ),
    "spectral_dense": Case(
        layers.SpectralDense, {"units": 4}, alone, call_plain
    ),
    "spectral_embedding": Case(
        layers.SpectralEmbedding,
        {"input_dim": 9, "output_dim": 4},
        class_ids,
        call_plain,
        ((None,),),
    ),
}


def convert(case):
    """The bytes of a .tflite file of built-in operators.

    Every size in which the short and the long inputs differ is unknown.
    """
    import tensorflow as tf

    layer = case.make()
    long = case.inputs(LONG)
    specs = {
        name: tf.TensorSpec(
            [
                size if size == other else None
                for size, other in zip(value.shape, long[name].shape)
            ],
            value.dtype,
            name=name,
        )
        for name, value in case.inputs(SHORT).items()
    }
    module = tf.Module()
    module.held = [variable.value for variable in layer.variables]
    module.run = tf.function(lambda **inputs: case.outputs(layer, **inputs))
    function = module.run.get_concrete_function(**specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions(
        [function], module
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter.convert()


def main(folder):
    for name, case in CASES.items():
        try:
            content = convert(case)
        except Exception as error:
            (folder / f"{name}.error").write_text(
                f"{type(error).__name__}: {error}", "utf-8"
            )
        else:
            (folder / f"{name}.tflite").write_bytes(content)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
