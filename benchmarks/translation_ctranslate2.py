"""Our translator's weights as a CTranslate2 model, to be compared with.

    convert(translator, Path("model"))
    ctranslate2.Translator("model").translate_batch([...])

The same network from the same numbers: embeddings times `sqrt(D)`, our table
of positions, blocks with the norm first or last, scores by the target's
embeddings or a matrix of their own. What CTranslate2 does not compute is
refused, never left out.

Shapes: `D` model dimension, `V` vocabulary, `P` places.
"""

import numpy as np
from keras import ops

from keras_selfattn.layers.positions import sinusoids
from keras_selfattn.preprocessing.translation_text import BOS_ID, EOS_ID

# Keras's names, and CTranslate2's.
ACTIVATIONS = {
    "relu": "RELU",
    "gelu": "GELU",
    "silu": "SWISH",
    "swish": "SWISH",
    "tanh": "Tanh",
    "sigmoid": "Sigmoid",
}
GATES = {"reglu": "RELU", "geglu": "GELU", "swiglu": "SWISH", "glu": "Sigmoid"}
NORM_EPSILON = {"layer": 1e-5, "rms": 1e-6}
POSITIONS = ("sinusoidal", "learned", None)


class ConversionError(ValueError):
    """CTranslate2 has nothing that computes what this model does."""


def convert(translator, folder):
    """Writes a CTranslate2 model with float32 weights.

    Args:
        translator: our Translator.
        folder: Path, made where it is missing.

    Raises:
        ConversionError: for positions or activations that CTranslate2 does
            not compute.
        ImportError: ctranslate2 is not installed.
    """
    from ctranslate2 import specs

    transformer = translator.transformer
    options = transformer.block
    spec = specs.TransformerSpec.from_config(
        _depths(transformer),
        transformer.num_heads,
        pre_norm=options["norm_first"],
        activation=_activation(options["activation"]),
        ffn_glu=options["activation"] in GATES,
        rms_norm=options["norm"] == "rms",
    )
    places = max(translator.max_source_tokens, translator.max_target_tokens)
    positions = _position_table(transformer, places + 1)
    weights = {
        variable.path: ops.convert_to_numpy(variable.value).astype("float32")
        for variable in transformer.weights
    }
    for side, name in ((spec.encoder, "encoder"), (spec.decoder, "decoder")):
        side.position_encodings.encodings = positions
        if options["norm_first"]:
            _fill_norm(side.layer_norm, weights, f"{name}_norm/")
        for i, layer in enumerate(side.layer):
            _fill_block(layer, weights, f"{name}_block_{i}/")
    _fill_embeddings(spec, transformer, weights)
    config, words = spec.config, translator.writer.vocabulary
    config.layer_norm_epsilon = NORM_EPSILON[options["norm"]]
    config.bos_token = config.decoder_start_token = words[BOS_ID]
    config.eos_token = words[EOS_ID]
    config.unk_token = words[translator.writer.unknown_id]
    spec.register_source_vocabulary(list(translator.tokenizer.vocabulary))
    spec.register_target_vocabulary(list(words))
    spec.validate()
    spec.optimize()
    folder.mkdir(parents=True, exist_ok=True)
    spec.save(str(folder))


def _depths(transformer):
    depths = transformer.num_layers
    return [depths, depths] if isinstance(depths, int) else list(depths)


def _activation(name):
    from ctranslate2.specs import common_spec

    known = {**ACTIVATIONS, **GATES}
    if name not in known:
        raise ConversionError(
            f"CTranslate2 has no activation {name!r}; a model to compare "
            f"with needs one of {sorted(known)}."
        )
    return common_spec.Activation[known[name]]


def _position_table(transformer, places):
    """What is added at each place, float32 `(P, D)`."""
    positions = transformer.positions
    if positions == "sinusoidal":
        table = sinusoids(np.arange(places), transformer.hidden_dim)
    elif positions == "learned":
        (table,) = (
            variable.value
            for variable in transformer.weights
            if variable.path == "positions/embeddings"
        )
    elif positions is None:
        return np.zeros((places, transformer.hidden_dim), "float32")
    else:
        raise ConversionError(
            f"CTranslate2's encoder-decoder has no positions {positions!r} "
            "as ours are; a model to compare with needs one of "
            f"{POSITIONS}."
        )
    table = ops.convert_to_numpy(table).astype("float32")
    # CTranslate2 looks one place past the end; ours has the last one there.
    return np.pad(table, ((0, max(0, places - len(table))), (0, 0)), "edge")


def _fill_block(layer, weights, path):
    own = f"{path}attention/"
    _fill_linear(
        layer.self_attention.linear[0],
        weights,
        *(f"{own}{name}/" for name in ("query", "key", "value")),
    )
    _fill_linear(layer.self_attention.linear[1], weights, f"{own}output/")
    _fill_norm(
        layer.self_attention.layer_norm, weights, f"{path}attention_norm/"
    )
    if hasattr(layer, "attention"):
        query, pairs, output = layer.attention.linear
        other = f"{path}cross_attention"
        _fill_linear(query, weights, f"{other}/query/")
        _fill_linear(pairs, weights, f"{other}/key/", f"{other}/value/")
        _fill_linear(output, weights, f"{other}/output/")
        _fill_norm(layer.attention.layer_norm, weights, f"{other}_norm/")
    inner = f"{path}feed_forward"
    first, second = f"{inner}/expand/", f"{inner}/gate/"
    if hasattr(layer.ffn, "linear_0_noact"):
        _fill_linear(layer.ffn.linear_0_noact, weights, first)
        first = second
    _fill_linear(layer.ffn.linear_0, weights, first)
    _fill_linear(layer.ffn.linear_1, weights, f"{inner}/contract/")
    _fill_norm(layer.ffn.layer_norm, weights, f"{inner}_norm/")


def _fill_linear(linear, weights, *paths):
    """Kernels `(in, out)` and biases, below one another as `(out, in)`."""
    kernels = [weights[f"{path}kernel"].T for path in paths]
    linear.weight = np.ascontiguousarray(np.concatenate(kernels))
    linear.bias = np.concatenate([weights[f"{path}bias"] for path in paths])


def _fill_norm(norm, weights, path):
    norm.gamma = weights[f"{path}gamma"]
    if f"{path}beta" in weights:
        norm.beta = weights[f"{path}beta"]


def _fill_embeddings(spec, transformer, weights):
    """Source and target embeddings, and the matrix of the scores `(V, D)`."""
    shared = transformer.target_vocabulary_size is None
    source, target = (
        "token_embedding" if shared else f"{side}_embedding"
        for side in ("source", "target")
    )
    spec.encoder.embeddings[0].weight = weights[f"{source}/embeddings"]
    table = weights[f"{target}/embeddings"]
    spec.decoder.embeddings.weight = table
    if not transformer.tie_embeddings:
        table = weights[f"{target}/reverse_embeddings"].T
    spec.decoder.projection.weight = np.ascontiguousarray(table)
