import keras
import numpy as np
import pytest

from keras_selfattn.layers import fused_attention
from keras_selfattn.layers.attention_core import attend
from keras_selfattn.layers.fused_attention import (
    attend_fused,
    available,
    fills_empty_rows,
)
from tests import attention_reference
from tests.arrays import to_numpy

pytestmark = pytest.mark.backend

BACKEND = keras.backend.backend()
only_torch = pytest.mark.skipif(BACKEND != "torch", reason="a kernel of torch")
only_jax = pytest.mark.skipif(BACKEND != "jax", reason="a kernel of JAX")
B, N, T, H = 2, 4, 6, 8


def heads(num_pairs=N, dtype="float32"):
    rng = np.random.default_rng(0)
    return [
        keras.ops.cast(
            keras.ops.array(rng.normal(size=(B, n, T, H)), "float32"), dtype
        )
        for n in (N, num_pairs, num_pairs)
    ]


def limits():
    """Everything that hides or shifts scores, in each combination.

    A kernel that drops one of them gives the answer of another combination.
    """
    rng = np.random.default_rng(1)
    mask = rng.random((B, 1, T, T)) < 0.7
    mask |= np.eye(T, dtype=bool)
    bias = rng.normal(size=(1, N, T, T)).astype("float32")
    return {
        f"{m}{b}{c}": (mask if m else None, bias if b else None, bool(c))
        for m in ("mask ", "")
        for b in ("bias ", "")
        for c in ("causal", "")
    }


def reference(query, key, value, mask, bias, causal):
    mask = True if mask is None else mask
    return attention_reference.attend(
        to_numpy(query),
        to_numpy(key),
        to_numpy(value),
        mask & np.tri(T, dtype=bool) if causal else mask,
        0.0 if bias is None else bias,
    )[0]


@pytest.mark.parametrize("num_pairs", [1, 2, 4])
@pytest.mark.parametrize("limit", limits())
def test_no_mask_bias_or_causality_is_dropped(limit, num_pairs):
    mask, bias, causal = limits()[limit]
    arrays = heads(num_pairs)
    found = to_numpy(
        attend(
            *arrays,
            mask=None if mask is None else keras.ops.array(mask),
            bias=None if bias is None else keras.ops.array(bias),
            causal=causal,
        )
    )
    np.testing.assert_allclose(
        found, reference(*arrays, mask, bias, causal), atol=1e-5
    )
    for other, (mask, bias, causal) in limits().items():
        if other != limit:
            wrong = reference(*arrays, mask, bias, causal)
            assert np.abs(found - wrong).max() > 1e-2, other


def compiled(function):
    """The function in a graph, where shapes and masks are symbols."""
    if BACKEND == "jax":
        import jax

        return jax.jit(function)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        return tf.function(function)
    return function


@pytest.mark.parametrize("limit", limits())
def test_none_is_dropped_in_a_compiled_graph(limit):
    mask, bias, causal = limits()[limit]
    arrays = heads(2)
    given = {"mask": mask, "bias": bias}
    given = {k: keras.ops.array(x) for k, x in given.items() if x is not None}

    @compiled
    def function(query, key, value, given):
        return attend(query, key, value, causal=causal, **given)

    np.testing.assert_allclose(
        to_numpy(function(*arrays, given)),
        reference(*arrays, mask, bias, causal),
        atol=1e-5,
    )


def asked(monkeypatch, module, name, as_if=None):
    """Counts the calls of a kernel; `as_if` replaces keyword arguments."""
    calls, kernel = [], getattr(module, name)

    def spy(*args, **kwargs):
        calls.append(kwargs)
        return kernel(*args, **{**kwargs, **(as_if or {})})

    monkeypatch.setattr(module, name, spy)
    return calls


@only_torch
@pytest.mark.parametrize("limit", limits())
@pytest.mark.parametrize("num_pairs", [1, 4])
def test_torchs_kernel_is_used_and_told_everything(
    monkeypatch, limit, num_pairs
):
    import torch

    mask, bias, causal = limits()[limit]
    calls = asked(
        monkeypatch, torch.nn.functional, "scaled_dot_product_attention"
    )
    attend(
        *heads(num_pairs),
        mask=None if mask is None else keras.ops.array(mask),
        bias=None if bias is None else keras.ops.array(bias),
        causal=causal,
    )
    (call,) = calls
    limited = mask is not None or bias is not None
    assert call["is_causal"] == (causal and not limited)
    assert (call["attn_mask"] is not None) == limited
    if limited:
        hidden = to_numpy(call["attn_mask"])
        hidden = ~hidden if bias is None else hidden == -np.inf
        seen = np.ones((1, 1, T, T), bool) if mask is None else mask
        seen = seen & np.tri(T, dtype=bool) if causal else seen
        np.testing.assert_array_equal(*np.broadcast_arrays(hidden, ~seen))


@only_torch
def test_torchs_kernel_is_left_where_a_bias_learns():
    import torch

    arrays = heads()
    fixed = torch.zeros((1, 1, T, T))
    learned = torch.zeros((1, 1, T, T), requires_grad=True)
    assert available(*arrays)
    assert available(*arrays, bias=fixed)
    assert not available(*arrays, bias=learned)
    with torch.no_grad():
        assert available(*arrays, bias=learned)


@only_torch
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("num_pairs", [2, 4])
def test_torchs_kernel_on_the_cpu_fills_empty_rows(dtype, num_pairs):
    """Why `attend` adds nothing there: zeros, and gradients that are finite."""
    arrays = heads(num_pairs, dtype)
    for x in arrays:
        x.requires_grad_()
    assert fills_empty_rows(arrays[0])
    mask = np.ones((B, 1, T, T), bool)
    mask[1, :, 2] = False
    outputs = attend_fused(*arrays, mask=keras.ops.array(mask))
    assert not to_numpy(outputs.detach())[1, :, 2].any()
    outputs.float().square().sum().backward()
    for x in arrays:
        assert np.isfinite(to_numpy(x.grad)).all()


def test_tensorflow_has_no_kernel_and_the_cpu_none_of_jax():
    assert available(*heads()) == (BACKEND == "torch")


@pytest.mark.parametrize("limit", limits())
@pytest.mark.parametrize("num_pairs", [1, 4])
@only_jax
def test_cudnns_kernel_is_told_everything(monkeypatch, limit, num_pairs):
    """The call as for cuDNN, carried out by XLA, empty rows included."""
    import jax

    from keras_selfattn.layers import attention_core

    mask, bias, causal = limits()[limit]
    if mask is not None:
        mask = mask.copy()
        mask[1, :, 3] = False
    calls = asked(
        monkeypatch, jax.nn, "dot_product_attention", {"implementation": "xla"}
    )
    monkeypatch.setattr(attention_core, "available", lambda *_: True)
    arrays = heads(num_pairs)
    found = attend(
        *arrays,
        mask=None if mask is None else keras.ops.array(mask),
        bias=None if bias is None else keras.ops.array(bias),
        causal=causal,
    )
    (call,) = calls
    assert call["implementation"] == "cudnn"
    expected = reference(*arrays, mask, bias, causal)
    np.testing.assert_allclose(to_numpy(found), expected, atol=1e-5)
    if mask is not None:
        assert not to_numpy(found)[1, :, 3].any()


@only_jax
def test_cudnn_is_asked_only_for_what_it_takes(monkeypatch):
    import jax

    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert fused_attention.available(*heads(dtype="bfloat16"))
    assert fused_attention.available(*heads(dtype="float16"))
    assert not fused_attention.available(*heads())
    query, key, value = heads(dtype="bfloat16")
    assert not fused_attention.available(query[..., :4], key[..., :4], value)
    assert not fused_attention.available(query, key[:, :, :5], value[:, :, :5])


@only_torch
@pytest.mark.parametrize("causal", [False, True])
def test_a_kernel_that_spoils_empty_rows_is_given_full_ones(
    monkeypatch, causal
):
    """As on a GPU: the guard, run here on the CPU's kernel."""
    from keras_selfattn.layers import attention_core

    monkeypatch.setattr(attention_core, "fills_empty_rows", lambda _: False)
    mask = np.random.default_rng(2).random((B, N, T, T)) < 0.5
    mask[0, 1, 4] = mask[1, :, 0] = False
    arrays = heads(2)
    found = attend(*arrays, mask=keras.ops.array(mask), causal=causal)
    np.testing.assert_allclose(
        to_numpy(found), reference(*arrays, mask, None, causal), atol=1e-5
    )
    assert not to_numpy(found)[0, 1, 4].any()
