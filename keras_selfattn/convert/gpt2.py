"""GPT-2's weights in a CausalTransformer, and back.

The table, and what its config.json says of ours; see `tensor_table`. GPT-2
keeps its matrices `(inputs, outputs)`, and query, key and value side by side.
"""

from pathlib import Path

from keras_selfattn.convert.hf_tokenizer import read_json
from keras_selfattn.convert.safetensors_files import read_tensors
from keras_selfattn.convert.tensor_table import (
    Row,
    dense,
    fill,
    give,
    norm,
    rows_of,
    weights_of,
)

_PARTS = ("query", "key", "value")
TABLE = (
    Row("wte.weight", "token_embedding/embeddings"),
    Row("wpe.weight", "positions/embeddings"),
    *(
        Row(
            f"h.{{i}}.attn.c_attn.{theirs}",
            tuple(f"block_{{i}}/attention/{part}/{ours}" for part in _PARTS),
        )
        for theirs, ours in (("weight", "kernel"), ("bias", "bias"))
    ),
    *dense("h.{i}.attn.c_proj", "block_{i}/attention/output", transpose=False),
    *dense("h.{i}.mlp.c_fc", "block_{i}/feed_forward/expand", transpose=False),
    *dense(
        "h.{i}.mlp.c_proj", "block_{i}/feed_forward/contract", transpose=False
    ),
    *norm("h.{i}.ln_1", "block_{i}/attention_norm"),
    *norm("h.{i}.ln_2", "block_{i}/feed_forward_norm"),
    *norm("ln_f", "output_norm"),
    Row("lm_head.weight", "token_embedding/reverse_embeddings", transpose=True),
)
SIZES = (
    ("vocabulary_size", "vocab_size", 50257),
    ("hidden_dim", "n_embd", 768),
    ("num_layers", "n_layer", 12),
    ("num_heads", "n_head", 12),
    ("intermediate_dim", "n_inner", None),
    ("max_sequence_length", "n_positions", 1024),
    ("dropout", "resid_pdrop", 0.1),
    ("inner_dropout", "attn_pdrop", 0.1),
    ("tie_embeddings", "tie_word_embeddings", True),
)
ACTIVATIONS = ("gelu_new", "gelu", "relu", "silu")
DEMANDED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
PREFIX = "transformer."
# Triangles that hide the future; we make our own.
IGNORED = ("h.*.attn.bias", "h.*.attn.masked_bias")


def load_gpt2(folder):
    """A CausalTransformer with the weights of a GPT-2 checkpoint.

    Args:
        folder: path with `config.json` and `model.safetensors`, or its
            shards.

    Returns:
        CausalTransformer.

    Raises:
        ValueError: another architecture or option, tensors that are missing,
            left over or of another shape, files that are missing or damaged.
    """
    from keras_selfattn.models.causal_transformer import CausalTransformer

    folder = Path(folder)
    config = read_json(folder / "config.json")
    if config.get("model_type") != "gpt2":
        raise ValueError(
            f"{folder / 'config.json'} has model_type="
            f"{config.get('model_type')!r}; expected 'gpt2'."
        )
    for key, value in DEMANDED.items():
        if config.get(key, value) != value:
            raise ValueError(
                f"{folder / 'config.json'} has {key}={config[key]!r}; we have "
                f"{value} only."
            )
    activation = config.get("activation_function", "gelu_new")
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"{folder / 'config.json'} has the activation {activation!r}; we "
            f"have {', '.join(ACTIVATIONS)}."
        )
    tensors = {
        name.removeprefix(PREFIX): array
        for name, array in read_tensors(folder).items()
    }
    sizes = {
        ours: config.get(theirs, default) for ours, theirs, default in SIZES
    }
    if sizes["tie_embeddings"]:
        tensors.pop("lm_head.weight", None)
    elif "lm_head.weight" not in tensors:
        sizes["tie_embeddings"] = True  # it has no head to be untied
    epsilon = config.get("layer_norm_epsilon", 1e-5)
    model = CausalTransformer(
        **sizes,
        block={
            "activation": activation,
            "norm": {"kind": "layer", "epsilon": epsilon},
        },
        name="transformer",
    )
    fill(model, rows_of(TABLE, sizes["num_layers"]), tensors, IGNORED, folder)
    return model


def gpt2_tensors(model):
    """A CausalTransformer's weights by GPT-2's names: dict of arrays."""
    found = give(rows_of(TABLE, model.num_layers), weights_of(model))
    return {
        name if name == "lm_head.weight" else PREFIX + name: array
        for name, array in found.items()
    }
