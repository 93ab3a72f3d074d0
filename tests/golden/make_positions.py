"""Makes `positions.npz`: what `transformers`' attention modules give.

Run where torch and transformers are installed (the tests need neither this
script nor transformers): `python tests/golden/make_positions.py`. The file
names the versions that made it. Each case holds the inputs, the weights
under our names, turned to our layout, and the outputs of one module of
theirs in float32, with eager attention.
"""

from pathlib import Path

import numpy as np
import torch
import transformers
from transformers.models.bloom import modeling_bloom as bloom
from transformers.models.gpt_neox import modeling_gpt_neox as gpt_neox
from transformers.models.llama import modeling_llama as llama
from transformers.models.t5 import modeling_t5 as t5

BATCH, LENGTH, DIM = 2, 11, 24
BUCKETS = {
    "t5": (32, 128, True),
    "t5_decoder": (32, 128, False),
    "few": (8, 20, True),
    "odd": (20, 50, False),
}


def kernel(linear):
    """The weight as `(inputs, outputs)`."""
    return linear.weight.detach().numpy().T


def stacked(linear, num_heads, prefix):
    """Splits a product whose rows are (head, query|key|value, feature)."""
    weight = kernel(linear).reshape(DIM, num_heads, 3, -1)
    bias = linear.bias.detach().numpy().reshape(num_heads, 3, -1)
    found = {}
    for i, name in enumerate(("query", "key", "value")):
        found[f"{prefix}/{name}/kernel"] = weight[:, :, i].reshape(DIM, -1)
        found[f"{prefix}/{name}/bias"] = bias[:, i].reshape(-1)
    return found


def drawn(module):
    """The module with weights large enough for positions to matter."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in module.parameters():
            weight.copy_(torch.randn_like(weight) / weight.shape[-1] ** 0.5)
    return module.eval()


def settings(kind, **arguments):
    return kind(hidden_size=DIM, attn_implementation="eager", **arguments)


def llama_case(inputs, future):
    config = settings(
        llama.LlamaConfig,
        num_attention_heads=6,
        num_key_value_heads=2,
        head_dim=8,
        rope_parameters={"rope_type": "default", "rope_theta": 500.0},
    )
    module = drawn(llama.LlamaAttention(config, layer_idx=0))
    turned = llama.LlamaRotaryEmbedding(config)(
        inputs, torch.arange(LENGTH)[None]
    )
    outputs, weights = module(inputs, turned, future)
    return {
        "llama/outputs": outputs,
        "llama/scores": weights,
        "llama/query/kernel": kernel(module.q_proj),
        "llama/key/kernel": kernel(module.k_proj),
        "llama/value/kernel": kernel(module.v_proj),
        "llama/output/kernel": kernel(module.o_proj),
    }


def gpt_neox_case(inputs, future):
    config = settings(
        gpt_neox.GPTNeoXConfig,
        num_attention_heads=3,
        rope_parameters={
            "rope_type": "default",
            "rope_theta": 10000.0,
            "partial_rotary_factor": 0.5,
        },
    )
    module = drawn(gpt_neox.GPTNeoXAttention(config, layer_idx=0))
    turned = gpt_neox.GPTNeoXRotaryEmbedding(config)(
        inputs, torch.arange(LENGTH)[None]
    )
    outputs, weights = module(inputs, future, position_embeddings=turned)
    return {
        "gpt_neox/outputs": outputs,
        "gpt_neox/scores": weights,
        **stacked(module.query_key_value, 3, "gpt_neox"),
        "gpt_neox/output/kernel": kernel(module.dense),
        "gpt_neox/output/bias": module.dense.bias,
    }


def bloom_case(inputs, future, num_heads):
    name = f"bloom_{num_heads}"
    config = settings(bloom.BloomConfig, n_head=num_heads, hidden_dropout=0.0)
    module = drawn(bloom.BloomAttention(config, layer_idx=0))
    alibi = bloom.build_alibi_tensor(
        torch.ones(BATCH, LENGTH), num_heads, torch.float32
    )
    outputs, weights = module(
        inputs,
        residual=torch.zeros_like(inputs),
        alibi=alibi,
        attention_mask=future,
        output_attentions=True,
    )
    return {
        f"{name}/outputs": outputs,
        f"{name}/scores": weights,
        **stacked(module.query_key_value, num_heads, name),
        f"{name}/output/kernel": kernel(module.dense),
        f"{name}/output/bias": module.dense.bias,
    }


def t5_case(inputs, future, is_decoder):
    name = "t5_decoder" if is_decoder else "t5"
    config = t5.T5Config(
        d_model=DIM,
        d_kv=8,
        num_heads=3,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=10,
        is_decoder=is_decoder,
        attn_implementation="eager",
    )
    module = drawn(
        t5.T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    )
    outputs, _, weights = module(inputs, mask=future if is_decoder else None)
    return {
        f"{name}/outputs": outputs,
        f"{name}/scores": weights,
        # T5 does not divide the scores by sqrt(head size), we do.
        f"{name}/query/kernel": kernel(module.q) * 8**0.5,
        f"{name}/key/kernel": kernel(module.k),
        f"{name}/value/kernel": kernel(module.v),
        f"{name}/output/kernel": kernel(module.o),
        f"{name}/relative_bias": module.relative_attention_bias.weight,
    }


def main():
    inputs = torch.tensor(
        np.random.default_rng(0).normal(size=(BATCH, LENGTH, DIM)),
        dtype=torch.float32,
    )
    future = torch.full((LENGTH, LENGTH), -1e9).triu(1)[None, None]
    cases = {
        "versions": np.array(
            [
                f"transformers {transformers.__version__}",
                f"torch {torch.__version__}",
            ]
        ),
        "inputs": inputs,
        **llama_case(inputs, future),
        **gpt_neox_case(inputs, future),
        **bloom_case(inputs, future, 3),
        **bloom_case(inputs, future, 4),
        **t5_case(inputs, future, False),
        **t5_case(inputs, future, True),
    }
    for name, (buckets, reach, both) in BUCKETS.items():
        relative = torch.arange(-300, 301)  # key - query
        cases[f"buckets/{name}"] = t5.T5Attention._relative_position_bucket(
            relative, both, buckets, reach
        )
    cases["slopes"] = bloom.build_alibi_tensor(
        torch.ones(1, 2), 12, torch.float32
    )[:, 0, 1]
    arrays = {
        name: value.detach().numpy() if torch.is_tensor(value) else value
        for name, value in cases.items()
    }
    path = Path(__file__).with_name("positions.npz")
    np.savez_compressed(path, **arrays)
    print(f"{path}: {path.stat().st_size} bytes, {arrays['versions']}")


if __name__ == "__main__":
    main()
