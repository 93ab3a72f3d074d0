"""KerasHub's backbones as models of ours.

A table of names an architecture, as for the checkpoints of `transformers`;
see `tensor_table`. KerasHub keeps heads as an axis of their own.
"""

from dataclasses import dataclass, field

from keras_selfattn.convert.tensor_table import Row, fill, rows_of


def hub_dense(theirs, ours):
    """Rows of a matrix, or of filters, and the bias."""
    return (
        Row(f"{theirs}/kernel", f"{ours}/kernel"),
        Row(f"{theirs}/bias", f"{ours}/bias"),
    )


def hub_norm(theirs, ours):
    """Rows of a layer norm."""
    return (
        Row(f"{theirs}/gamma", f"{ours}/gamma"),
        Row(f"{theirs}/beta", f"{ours}/beta"),
    )


def _blocks(attention):
    theirs, ours = "transformer_layer_{i}", "block_{i}"
    return (
        *(
            row
            for part in ("query", "key", "value")
            for row in hub_dense(
                f"{theirs}/{attention}/{part}", f"{ours}/attention/{part}"
            )
        ),
        *hub_dense(
            f"{theirs}/{attention}/attention_output",
            f"{ours}/attention/output",
        ),
        *hub_norm(
            f"{theirs}/self_attention_layer_norm", f"{ours}/attention_norm"
        ),
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
    )


def _embeddings(prefix=""):
    return (
        Row(
            f"{prefix}token_embedding/embeddings", "token_embedding/embeddings"
        ),
        Row(f"{prefix}position_embedding/embeddings", "positions/embeddings"),
    )


@dataclass(frozen=True)
class Backbone:
    """How one of KerasHub's classes is read.

    Args:
        ours: "bert" (a BertEncoder) or "causal" (a CausalTransformer).
        rows: tuple of Row.
        fixed: dict, arguments of ours that are always so.
        also: names of its attributes that are arguments of ours, besides
            those that all of them have.
    """

    ours: str
    rows: tuple
    fixed: dict = field(default_factory=dict)
    also: tuple = ()


_ENCODER = (
    *_blocks("self_attention_layer"),
    *hub_norm("embeddings_layer_norm", "embedding_norm"),
)
BACKBONES = {
    "BertBackbone": Backbone(
        "bert",
        (
            *_embeddings(),
            *_ENCODER,
            Row("segment_embedding/embeddings", "segment_embedding/embeddings"),
            *hub_dense("pooled_dense", "pooler"),
        ),
        {"activation": "gelu_new", "norm_epsilon": 1e-12, "pooler": True},
        ("num_segments",),
    ),
    "RobertaBackbone": Backbone(
        "bert",
        (*_embeddings("embeddings/"), *_ENCODER),
        {"norm_epsilon": 1e-5, "pooler": False, "num_segments": 0},
    ),
    "DistilBertBackbone": Backbone(
        "bert",
        (*_embeddings("token_and_position_embedding/"), *_ENCODER),
        {"norm_epsilon": 1e-12, "pooler": False, "num_segments": 0},
    ),
    "GPT2Backbone": Backbone(
        "causal",
        (
            *_embeddings(),
            *_blocks("self_attention"),
            *hub_norm("layer_norm", "output_norm"),
        ),
        {"block": {"norm": {"kind": "layer", "epsilon": 1e-5}}},
    ),
}
# Encoder-decoders, and what makes ours in `keras_hub_seq2seq`.
SEQ2SEQ = {
    "T5Backbone": "t5_from_keras_hub",
    "WhisperBackbone": "whisper_from_keras_hub",
}
SIZES = (
    "vocabulary_size",
    "hidden_dim",
    "num_layers",
    "num_heads",
    "intermediate_dim",
    "max_sequence_length",
    "dropout",
)
INNER = {"bert": "attention_dropout", "causal": "inner_dropout"}


def from_keras_hub(backbone):
    """A model of ours with the weights of a backbone of KerasHub.

    Args:
        backbone: `keras_hub.models.BertBackbone`, `RobertaBackbone`,
            `DistilBertBackbone`, `GPT2Backbone`, `T5Backbone` or
            `WhisperBackbone`, on any backend.

    Returns:
        BertEncoder; for GPT-2 CausalTransformer, T5, Whisper. With the
        tokenizer that belongs to it it becomes a task: `MaskedLM(tokenizer,
        encoder, head=False)`, `CausalLM(tokenizer, transformer)`,
        `TextToText(tokenizer, t5)`, `WhisperRecognizer(tokenizer, whisper)`.

    Raises:
        ValueError: another class, or weights that the table does not name,
            or names in vain; all are listed.

    Example:
        >>> backbone = keras_hub.models.GPT2Backbone.from_preset("gpt2_base_en")
        >>> transformer = from_keras_hub(backbone)
    """
    from keras import ops

    from keras_selfattn.models.bert import BertEncoder
    from keras_selfattn.models.causal_transformer import CausalTransformer

    kind = type(backbone).__name__
    if kind in SEQ2SEQ:
        from keras_selfattn.convert import keras_hub_seq2seq

        return getattr(keras_hub_seq2seq, SEQ2SEQ[kind])(backbone)
    if kind not in BACKBONES:
        known = ", ".join(sorted([*BACKBONES, *SEQ2SEQ]))
        raise ValueError(
            f"There are tables for {known}; received a {kind}. Of a task, give "
            "its backbone: task.backbone."
        )
    found = BACKBONES[kind]
    sizes = {name: getattr(backbone, name) for name in SIZES + found.also}
    sizes[INNER[found.ours]] = backbone.dropout
    if found.ours == "bert":
        model = BertEncoder(**sizes, **found.fixed, name="encoder")
    else:
        model = CausalTransformer(**sizes, **found.fixed, name="transformer")
    tensors = {
        variable.path: heads_as_one_axis(
            variable.path, ops.convert_to_numpy(variable)
        )
        for variable in backbone.weights
    }
    rows = rows_of(found.rows, backbone.num_layers)
    fill(model, rows, tensors, source=f"The {kind}")
    return model


def heads_as_one_axis(path, array):
    """Heads and their features as one axis; filters are left as they are."""
    if "conv_layer" in path:
        return array
    if array.ndim == 3 and path.endswith("attention_output/kernel"):
        return array.reshape(-1, array.shape[2])
    if array.ndim == 3:
        return array.reshape(len(array), -1)
    heads = path.endswith(("query/bias", "key/bias", "value/bias"))
    return array.ravel() if heads else array
