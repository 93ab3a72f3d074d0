"""GPT-2 as a `CausalLM`, and back.

The table, and what its config.json says of ours; see `tensor_table`. GPT-2
keeps its matrices `(inputs, outputs)`, and query, key and value side by side.
"""

from keras_selfattn.convert.hf_tokenizer import (
    check_vocabulary,
    read_tokenizer,
    tokenizer_files,
)
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
CLASSES = ("GPT2LMHeadModel", "GPT2Model")
EPSILON = 1e-5
DEMANDED = {
    "scale_attn_weights": True,
    "scale_attn_by_inverse_layer_idx": False,
    "add_cross_attention": False,
}
PREFIX = "transformer."
# Triangles that hide the future; we make our own.
IGNORED = ("h.*.attn.bias", "h.*.attn.masked_bias")


def load_gpt2(folder, config):
    """A CausalLM with the weights of a GPT-2 checkpoint.

    Args:
        folder: `pathlib.Path` with `model.safetensors`, or its shards, and
            the tokenizer's files.
        config: dict, its config.json.

    Returns:
        CausalLM.

    Raises:
        ValueError: see `huggingface.load_hf`.
    """
    from keras_selfattn.tasks.causal_lm import CausalLM

    transformer = load_gpt2_transformer(folder, config)
    tokenizer = read_tokenizer(folder, "gpt2", transformer.max_sequence_length)
    check_vocabulary(folder, tokenizer, transformer.vocabulary_size)
    end = config.get("eos_token_id", tokenizer.special_ids[-1])
    if tokenizer.vocabulary[end] != tokenizer.end:
        raise ValueError(
            f"{folder / 'config.json'} has eos_token_id={end}, which is "
            f"{tokenizer.vocabulary[end]!r}; the tokenizer's end is "
            f"{tokenizer.end!r}. Take both from one model."
        )
    return CausalLM(tokenizer, transformer)


def load_gpt2_transformer(folder, config):
    """A CausalTransformer with the weights of a GPT-2 checkpoint.

    It needs no tokenizer; arguments and errors are those of `load_gpt2`.
    """
    from keras_selfattn.models.causal_transformer import CausalTransformer

    path = folder / "config.json"
    for name in config.get("architectures") or ():
        if name not in CLASSES:
            raise ValueError(
                f"{path} names the architecture {name}; of 'gpt2' we read "
                f"{', '.join(CLASSES)}. To go on without its head, save "
                "that: model.base_model.save_pretrained."
            )
    for key, value in DEMANDED.items():
        if config.get(key, value) != value:
            raise ValueError(
                f"{path} has {key}={config[key]!r}; we have {value} only."
            )
    activation = config.get("activation_function", "gelu_new")
    if activation not in ACTIVATIONS:
        raise ValueError(
            f"{path} has the activation {activation!r}; we have "
            f"{', '.join(ACTIVATIONS)}."
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
    epsilon = config.get("layer_norm_epsilon", EPSILON)
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


def gpt2_files(task):
    """A CausalLM as files that `transformers` loads.

    Args:
        task: CausalLM of GPT-2's shape with a SubwordTokenizer of byte pairs.

    Returns:
        config, dict; tensors, dict of arrays; the tokenizer's files, dict of a
        name to its text.

    Raises:
        ValueError: another tokenizer, or what GPT-2 has not.
    """
    model, tokenizer = task.transformer, task.tokenizer
    split = getattr(tokenizer, "split", {})
    if split.get("kind") != "byte_pair" or tokenizer.end is None:
        raise ValueError(
            "A CausalLM is written as GPT-2, with a SubwordTokenizer of byte "
            f"pairs and an end; this one has a {type(tokenizer).__name__}."
        )
    norm = model.block["norm"]
    norm = norm if isinstance(norm, dict) else {"kind": norm}
    given = {
        "positions": model.positions,
        "use_bias": model.use_bias,
        "norm": {**norm, "epsilon": EPSILON},
        "norm_first": model.block["norm_first"],
    }
    wanted = {
        "positions": "learned",
        "use_bias": True,
        "norm": {"kind": "layer", "epsilon": EPSILON},
        "norm_first": True,
    }
    for name, value in wanted.items():
        if given[name] != value:
            raise ValueError(
                f"GPT-2 has {name}={value!r}; this model has {given[name]!r}."
            )
    if model.block["activation"] not in ACTIVATIONS:
        raise ValueError(
            f"GPT-2 has no activation {model.block['activation']!r}."
        )
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        **{theirs: getattr(model, ours) for ours, theirs, _ in SIZES},
        "embd_pdrop": model.dropout,
        "activation_function": model.block["activation"],
        "layer_norm_epsilon": norm.get("epsilon", EPSILON),
        "bos_token_id": task.end_id,
        "eos_token_id": task.end_id,
        "dtype": "float32",
    }
    if task.padding_id != task.end_id:
        config["pad_token_id"] = task.padding_id
    return config, gpt2_tensors(model), tokenizer_files(tokenizer, "gpt2")


def gpt2_tensors(model):
    """A CausalTransformer's weights by GPT-2's names: dict of arrays."""
    found = give(rows_of(TABLE, model.num_layers), weights_of(model))
    return {
        name if name == "lm_head.weight" else PREFIX + name: array
        for name, array in found.items()
    }
