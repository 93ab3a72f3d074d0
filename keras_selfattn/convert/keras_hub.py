"""KerasHub's backbones as models of ours.

A table of names an architecture, as for the checkpoints of `transformers`;
see `tensor_table`. KerasHub keeps heads as an axis of their own.
"""

from dataclasses import dataclass, field

from keras_selfattn.convert.tensor_table import Row, fill, rows_of


def _dense(theirs, ours):
    return (
        Row(f"{theirs}/kernel", f"{ours}/kernel"),
        Row(f"{theirs}/bias", f"{ours}/bias"),
    )


def _norm(theirs, ours):
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
            for row in _dense(
                f"{theirs}/{attention}/{part}", f"{ours}/attention/{part}"
            )
        ),
        *_dense(
            f"{theirs}/{attention}/attention_output",
            f"{ours}/attention/output",
        ),
        *_norm(f"{theirs}/self_attention_layer_norm", f"{ours}/attention_norm"),
        *_norm(f"{theirs}/feedforward_layer_norm", f"{ours}/feed_forward_norm"),
        *_dense(
            f"{theirs}/feedforward_intermediate_dense",
            f"{ours}/feed_forward/expand",
        ),
        *_dense(
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
    *_norm("embeddings_layer_norm", "embedding_norm"),
)
BACKBONES = {
    "BertBackbone": Backbone(
        "bert",
        (
            *_embeddings(),
            *_ENCODER,
            Row("segment_embedding/embeddings", "segment_embedding/embeddings"),
            *_dense("pooled_dense", "pooler"),
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
            *_norm("layer_norm", "output_norm"),
        ),
        {"block": {"norm": {"kind": "layer", "epsilon": 1e-5}}},
    ),
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
            `DistilBertBackbone` or `GPT2Backbone`, on any backend.

    Returns:
        BertEncoder, or for GPT-2 CausalTransformer. With the tokenizer that
        belongs to it (a SubwordTokenizer) it becomes a task: `MaskedLM(
        tokenizer, encoder, head=False)`, `CausalLM(tokenizer, transformer)`.

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
    if kind not in BACKBONES:
        raise ValueError(
            f"There are tables for {', '.join(sorted(BACKBONES))}; received a "
            f"{kind}. Of a task, give its backbone: task.backbone."
        )
    found = BACKBONES[kind]
    sizes = {name: getattr(backbone, name) for name in SIZES + found.also}
    sizes[INNER[found.ours]] = backbone.dropout
    if found.ours == "bert":
        model = BertEncoder(**sizes, **found.fixed, name="encoder")
    else:
        model = CausalTransformer(**sizes, **found.fixed, name="transformer")
    tensors = {
        variable.path: _flat(variable.path, ops.convert_to_numpy(variable))
        for variable in backbone.weights
    }
    rows = rows_of(found.rows, backbone.num_layers)
    fill(model, rows, tensors, source=f"The {kind}")
    return model


def _flat(path, array):
    """Heads and their features as one axis."""
    if array.ndim == 3 and path.endswith("attention_output/kernel"):
        return array.reshape(-1, array.shape[2])
    if array.ndim == 3:
        return array.reshape(len(array), -1)
    heads = path.endswith(("query/bias", "key/bias", "value/bias"))
    return array.ravel() if heads else array
