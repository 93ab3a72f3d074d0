"""KerasHub's encoder-decoders, T5 and Whisper, as models of ours."""

from keras_selfattn.convert.keras_hub import (
    heads_as_one_axis,
    hub_dense,
    hub_norm,
)
from keras_selfattn.convert.tensor_table import Row, fill, rows_of
from keras_selfattn.convert.whisper_checkpoint import fill_whisper

_PARTS = ("query", "key", "value", "output")
_ACTIVATIONS = {  # of a plain network; of the gate of a gated one
    "relu": ("relu", "reglu"),
    "gelu": ("gelu", "geglu"),
    "gelu_approximate": ("gelu_new", "geglu_new"),
    "silu": ("silu", "swiglu"),
}
_T5_NORMS = {  # attributes of a layer of theirs, which have no fixed names
    "self_attention_layer_norm": "attention_norm",
    "cross_attention_layer_norm": "cross_attention_norm",
    "layer_norm": "feed_forward_norm",
}


def t5_from_keras_hub(backbone):
    """A T5 with the weights of a `keras_hub.models.T5Backbone`.

    Raises:
        ValueError: see `from_keras_hub`; for an activation that T5 has not.
    """
    from keras import ops

    from keras_selfattn.models.t5 import T5

    name = getattr(backbone.activation, "__name__", str(backbone.activation))
    if name not in _ACTIVATIONS:
        raise ValueError(
            f"The T5Backbone has activation {name!r}; we have "
            f"{', '.join(_ACTIVATIONS)}."
        )
    gated = backbone.use_gated_activation
    sizes = {
        key: getattr(backbone, key)
        for key in (
            "vocabulary_size",
            "hidden_dim",
            "num_layers",
            "num_heads",
            "intermediate_dim",
            "dropout",
        )
    }
    model = T5(
        **sizes,
        head_dim=backbone.key_value_dim,
        activation=_ACTIVATIONS[name][gated],
        tie_embeddings=backbone.tie_embedding_weights,
        inner_dropout=backbone.dropout,
        norm_epsilon=backbone.layer_norm_epsilon,
        name="transformer",
    )
    names = _t5_names(backbone)
    tensors = {
        names.get(id(variable), variable.path): ops.convert_to_numpy(variable)
        for variable in backbone.weights
    }
    rows = t5_rows(backbone.num_layers, gated)
    fill(model, rows, tensors, source="The T5Backbone")
    return model


def t5_rows(num_layers, gated):
    """The rows of a T5 of KerasHub, by the names of `_t5_names`."""
    inner = {"input_projector": "expand"}
    if gated:  # theirs activates the first, ours the gate
        inner = {"input_projector": "gate", "gate_projector": "expand"}
    rows = [
        Row(f"token_embedding/{name}", f"token_embedding/{name}")
        for name in ("embeddings", "reverse_embeddings")
    ]
    for side in ("encoder", "decoder"):
        theirs, ours = f"transformer_{side}_layer_{{i}}", f"{side}_block_{{i}}"
        attentions = {"self_attention": "attention"}
        norms = dict(_T5_NORMS)
        if side == "decoder":
            attentions["cross_attention"] = "cross_attention"
        else:
            del norms["cross_attention_layer_norm"]
        block = [
            Row(
                f"{theirs}/{one}/{part}_projector/kernel",
                f"{ours}/{other}/{part}/kernel",
            )
            for one, other in attentions.items()
            for part in _PARTS
        ]
        block += [
            Row(f"{theirs}/{one}/weight", f"{ours}/{other}/gamma")
            for one, other in norms.items()
        ]
        block += [
            Row(f"{theirs}/{one}/kernel", f"{ours}/feed_forward/{other}/kernel")
            for one, other in [*inner.items(), ("output_projector", "contract")]
        ]
        rows += rows_of(block, num_layers)
        rows += [
            Row(f"{side}/relative_bias", f"{side}_positions/relative_bias"),
            Row(f"{side}_output_layer_norm/weight", f"{side}_norm/gamma"),
        ]
    return rows


def _t5_names(backbone):
    """Names of variables whose paths tell no two apart, by their `id`.

    Theirs has norms that are numbered through all models of a process, and
    one path for the biases of distances of both sides.
    """
    names = {}
    for side in ("encoder", "decoder"):
        layers = getattr(backbone, f"{side}_transformer_layers")
        bias = layers[0].self_attention.relative_attention_bias
        names[id(bias)] = f"{side}/relative_bias"
        for layer in layers:
            for norm in _T5_NORMS:
                if hasattr(layer, norm):
                    weight = getattr(layer, norm).weight
                    names[id(weight)] = f"{layer.name}/{norm}/weight"
    return names


def whisper_from_keras_hub(backbone):
    """A Whisper with the weights of a `keras_hub.models.WhisperBackbone`.

    Raises:
        ValueError: see `from_keras_hub`.
    """
    from keras import ops

    from keras_selfattn.models.whisper import Whisper

    model = Whisper(
        vocabulary_size=backbone.vocabulary_size,
        hidden_dim=backbone.hidden_dim,
        num_layers=backbone.num_layers,
        num_heads=backbone.num_heads,
        intermediate_dim=backbone.intermediate_dim,
        num_mel_bins=backbone.num_mels,
        max_frames=backbone.max_encoder_sequence_length // 2,
        max_sequence_length=backbone.max_decoder_sequence_length,
        dropout=backbone.dropout,
        name="whisper",
    )
    tensors = {
        variable.path: heads_as_one_axis(
            variable.path, ops.convert_to_numpy(variable)
        )
        for variable in backbone.weights
    }
    rows = hub_whisper_rows(backbone.num_layers)
    fill_whisper(model, rows, tensors, (), "The WhisperBackbone")
    return model


def hub_whisper_rows(num_layers):
    """The rows of a Whisper of KerasHub, whose keys have no bias."""
    both = "decoder_token_and_position_embedding"
    rows = [
        Row(
            "encoder_position_embedding/embeddings",
            "encoder_positions/embeddings",
        ),
        Row(
            f"{both}/position_embedding/embeddings",
            "decoder_positions/embeddings",
        ),
        Row(f"{both}/token_embedding/embeddings", "token_embedding/embeddings"),
    ]
    for i in (0, 1):
        theirs = f"encoder_token_embedding_conv_layer_{i + 1}"
        rows += hub_dense(theirs, f"subsampling/convolution_{i}")
    for side, own in (
        ("encoder", "self_attention_layer"),
        ("decoder", "self_attention"),
    ):
        theirs, ours = f"transformer_{side}_layer_{{i}}", f"{side}_block_{{i}}"
        attentions = [(own, "attention", "self_attention_layer_norm")]
        if side == "decoder":
            name = "cross_attention"
            attentions.append((name, name, f"{name}_layer_norm"))
        block = [
            *hub_norm(
                f"{theirs}/feedforward_layer_norm", f"{ours}/feed_forward_norm"
            ),
            *hub_dense(
                f"{theirs}/feedforward_intermediate_dense",
                f"{ours}/feed_forward/expand",
            ),
            *hub_dense(
                f"{theirs}/feedforward_output_dense",
                f"{ours}/feed_forward/contract",
            ),
        ]
        for one, other, norm in attentions:
            block += hub_norm(f"{theirs}/{norm}", f"{ours}/{other}_norm")
            parts = [(part, part) for part in _PARTS[:3]]
            for part, name in [*parts, ("attention_output", "output")]:
                pair = hub_dense(
                    f"{theirs}/{one}/{part}", f"{ours}/{other}/{name}"
                )
                block += pair[:1] if part == "key" else pair
        rows += rows_of(block, num_layers)
        rows += hub_norm(f"{side}_layer_norm", f"{side}_norm")
    return rows
