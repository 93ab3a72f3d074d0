"""The fused attention kernels of torch and JAX, behind one function.

A fused kernel never stores the `T x S` weights. It is used where it gives the
answer of the plain path, and every mask reaches it: the boolean mask, the
additive bias and the causal flag are given to the kernel together or folded
into one another, never one of them in the place of another (as in keras
#23038).

Shapes: `B` batch, `N` heads, `K` key/value heads, `T` queries, `S` keys,
`H` head dimension.
"""

import keras

NARROW = ("float16", "bfloat16")


def available(query, key, value, mask=None, bias=None, causal=False):
    """Whether a fused kernel gives the plain answer here, and faster.

    TensorFlow has none. torch always has one, but with a bias that learns its
    CPU kernel falls back to a slow formula. JAX has cuDNN's on NVIDIA GPUs,
    for float16 and bfloat16; elsewhere XLA fuses the plain path itself.

    Args: as `attention_core.attend`.
    """
    backend = keras.backend.backend()
    if backend == "torch":
        import torch

        learns = (
            bias is not None and bias.requires_grad and torch.is_grad_enabled()
        )
        return not (learns and query.device.type == "cpu")
    if backend == "jax":
        return _cudnn_takes(query, key, value)
    return False


def attend_fused(
    query, key, value, mask=None, bias=None, causal=False, scale=None
):
    """`softmax(scale Q K' + bias, where mask) V` by the backend's kernel.

    Args: as `attention_core.attend`; the mask and the bias are of rank 4.

    Returns:
        float `(B, N, T, H)`; what rows without any key hold is up to the
        kernel: see `fills_empty_rows`.
    """
    run = {"torch": _torch, "jax": _jax}[keras.backend.backend()]
    return run(query, key, value, mask, bias, causal, scale)


def fills_empty_rows(query):
    """Whether the kernel itself gives zeros to a query without any key.

    torch's CPU kernels do, in value and gradient; the others are given a
    full row in place of an empty one, and its output is multiplied by zero.
    """
    return keras.backend.backend() == "torch" and query.device.type == "cpu"


def _torch(query, key, value, mask, bias, causal, scale):
    import torch

    num_queries, num_keys = query.shape[2], key.shape[2]
    if causal and (mask is not None or bias is not None):
        # The kernel takes a mask or `is_causal`, not both.
        triangle = torch.ones(
            (num_queries, num_keys), dtype=torch.bool, device=query.device
        ).tril()
        mask = triangle if mask is None else torch.logical_and(mask, triangle)
        causal = False
    if bias is not None:
        bias = bias.to(query.dtype)
        if mask is not None:
            bias = bias.masked_fill(torch.logical_not(mask), -torch.inf)
        mask = bias
    grouped = key.shape[1] != query.shape[1]
    if grouped and mask is not None and query.device.type != "cpu":
        # With a mask no kernel of a GPU takes groups.
        groups = query.shape[1] // key.shape[1]
        key = key.repeat_interleave(groups, dim=1)
        value = value.repeat_interleave(groups, dim=1)
        grouped = False
    return torch.nn.functional.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=mask,
        is_causal=causal,
        scale=scale,
        enable_gqa=grouped,
    )


def _cudnn_takes(query, key, value):
    """Whether cuDNN's kernel takes these shapes and this dtype."""
    import jax

    dtype = keras.backend.standardize_dtype(query.dtype)
    head_dim = query.shape[-1]
    return (
        jax.default_backend() == "gpu"
        and dtype in NARROW
        and value.shape[-1] == head_dim
        and head_dim % 8 == 0
        and head_dim <= 128
        and query.shape[2] % 2 == 0
        and key.shape[2] % 2 == 0
    )


def _jax(query, key, value, mask, bias, causal, scale):
    import jax
    import jax.numpy as jnp

    swap = lambda x: jnp.swapaxes(x, 1, 2)  # noqa: E731 - (B, T, N, H)
    outputs = jax.nn.dot_product_attention(
        swap(query),
        swap(key),
        swap(value),
        bias=None if bias is None else bias.astype(query.dtype),
        mask=mask,
        is_causal=causal,
        scale=scale,
        implementation="cudnn",
    )
    return swap(outputs)
