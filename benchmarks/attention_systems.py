"""Attention layers of one backend, timed in a process of their own.

Started by `attention.py` (or by hand, with KERAS_BACKEND set); it answers
requests on stdin, see `keras_selfattn.measuring.serve`:

- `prepare`: builds systems for one length, and their compiled steps;
- `time`: one repetition of one system's step, in seconds;
- `peak`: memory that one forward and backward pass needs.

A step is what `model.fit` or `model.predict` runs: eager with torch, compiled
as a whole with JAX (`jax.jit`) and TensorFlow (`tf.function`). "forward" keeps
nothing for a backward pass; "both" is forward and the gradients of the sum of
the outputs times fixed numbers, for the inputs and all weights.
"""

import importlib.util
import os
import time

import keras
import numpy as np

from keras_selfattn import measuring
from keras_selfattn.layers.encoder_block import EncoderBlock
from keras_selfattn.layers.local_attention import LocalSelfAttention
from keras_selfattn.layers.masks import local_mask
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention

BACKEND = keras.backend.backend()
INSTALL_HUB = "keras-hub is not installed: pip install keras-hub"


class MissingSystem(ImportError):
    """A system whose package is not installed; the message says which."""


def ours(sizes):
    """Our full attention."""
    layer = MultiHeadSelfAttention(sizes["num_heads"])
    return layer, lambda x, mask: layer(x, padding_mask=mask)


def keras_attention(sizes):
    """Keras's own layer with the same number and size of heads."""
    head_dim = sizes["hidden_dim"] // sizes["num_heads"]
    layer = keras.layers.MultiHeadAttention(sizes["num_heads"], head_dim)

    def call(x, mask):
        if mask is not None:
            mask = keras.ops.expand_dims(mask, 1)  # (B, 1, T)
        return layer(x, x, attention_mask=mask)

    return layer, call


def our_block(sizes):
    """Our encoder block, in KerasHub's variant: post-norm and ReLU."""
    layer = EncoderBlock(
        sizes["num_heads"],
        sizes["intermediate_dim"],
        activation="relu",
        norm_first=False,
    )
    return layer, lambda x, mask: layer(x, padding_mask=mask)


def hub_block(sizes):
    """KerasHub's encoder block with the same sizes."""
    if importlib.util.find_spec("keras_hub") is None:
        raise MissingSystem(INSTALL_HUB)
    import keras_hub

    layer = keras_hub.layers.TransformerEncoder(
        sizes["intermediate_dim"], sizes["num_heads"]
    )
    return layer, lambda x, mask: layer(x, padding_mask=mask)


def local(sizes):
    """Our local attention, by blocks."""
    layer = LocalSelfAttention(
        sizes["num_heads"], window=sizes["window"], right=sizes["window"]
    )
    return layer, lambda x, mask: layer(x, padding_mask=mask)


def full_masked(sizes):
    """Our full attention under the mask of the same window."""
    layer = MultiHeadSelfAttention(sizes["num_heads"])
    window = sizes["window"]

    def call(x, mask):
        near = local_mask(x.shape[1], window, window)
        return layer(x, padding_mask=mask, attention_mask=near)

    return layer, call


def full_plain(sizes):
    """Our full attention where the scores are made: no fused kernel."""
    layer = MultiHeadSelfAttention(sizes["num_heads"])

    def call(x, mask):
        outputs, _ = layer(x, padding_mask=mask, return_attention_scores=True)
        return outputs

    return layer, call


SYSTEMS = {
    "ours": ours,
    "keras": keras_attention,
    "our_block": our_block,
    "hub_block": hub_block,
    "local": local,
    "full": ours,
    "full_masked": full_masked,
    "full_plain": full_plain,
}


def steps(layer, call, x, mask, weights):
    """Compiled functions of no argument, which end when the work is done."""
    make = {"torch": _torch, "jax": _jax, "tensorflow": _tensorflow}[BACKEND]
    return make(layer, call, x, mask, weights)


def _torch(layer, call, x, mask, weights):
    import torch

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    x, weights = torch.from_numpy(x), torch.from_numpy(weights)
    mask = None if mask is None else torch.from_numpy(mask)
    wanted = [v.value for v in layer.trainable_variables]
    leaf = x.clone().requires_grad_()

    def forward():
        with torch.no_grad():
            call(x, mask)

    def both():
        torch.autograd.grad((call(leaf, mask) * weights).sum(), [leaf, *wanted])

    return {"forward": forward, "both": both}


def _jax(layer, call, x, mask, weights):
    import jax

    trainable = layer.trainable_variables
    others = layer.non_trainable_variables

    def run(values, other_values, x, mask):
        mapping = [*zip(trainable, values), *zip(others, other_values)]
        with keras.StatelessScope(state_mapping=mapping):
            return call(x, mask)

    def loss(values, x, other_values, mask, weights):
        return (run(values, other_values, x, mask) * weights).sum()

    values = [v.value for v in trainable]
    other_values = [v.value for v in others]
    x, weights = jax.numpy.asarray(x), jax.numpy.asarray(weights)
    mask = None if mask is None else jax.numpy.asarray(mask)
    forward_arguments = (values, other_values, x, mask)
    both_arguments = (values, x, other_values, mask, weights)
    # Compiled ahead, so that no measurement holds the compiler.
    forward = jax.jit(run).lower(*forward_arguments).compile()
    gradients = jax.jit(jax.grad(loss, argnums=(0, 1)))
    both = gradients.lower(*both_arguments).compile()
    return {
        "forward": lambda: jax.block_until_ready(forward(*forward_arguments)),
        "both": lambda: jax.block_until_ready(both(*both_arguments)),
    }


def _tensorflow(layer, call, x, mask, weights):
    import tensorflow as tf

    x, weights = tf.constant(x), tf.constant(weights)
    mask = None if mask is None else tf.constant(mask)
    wanted = [v.value for v in layer.trainable_variables]

    @tf.function
    def forward(x):
        return call(x, mask)

    @tf.function
    def both(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(call(x, mask) * weights)
        return tape.gradient(loss, [x, *wanted])

    forward_graph = forward.get_concrete_function(x)
    both_graph = both.get_concrete_function(x)
    return {
        "forward": lambda: forward_graph(x)[0].numpy(),
        "both": lambda: [part.numpy() for part in both_graph(x)[:1]],
    }


class Server:
    """Holds the systems of the last `prepare`."""

    def __init__(self):
        self.steps = {}

    def prepare(self, systems, length, batch, padded, sizes):
        """Builds systems, all on the same inputs; says which are missing."""
        rng = np.random.default_rng(0)
        shape = (batch, length, sizes["hidden_dim"])
        x, weights = rng.standard_normal((2, *shape), dtype="float32")
        mask = None
        if padded:  # rows end at 100 % to 50 % of the length
            ends = np.linspace(1.0, 0.5, batch) * length
            mask = np.arange(length) < ends[:, None]
        self.steps, missing = {}, {}
        for name in systems:
            try:
                layer, call = SYSTEMS[name](sizes)
            except MissingSystem as error:
                missing[name] = str(error)
                continue
            # Builds it, and loads what the backend loads at its first call.
            call(x[:1, :8], None if mask is None else mask[:1, :8])
            self.steps[name] = steps(layer, call, x, mask, weights)
        return {"missing": missing}

    def time(self, system, direction):
        """Runs one step; returns its seconds."""
        step = self.steps[system][direction]
        start = time.perf_counter()
        step()
        return {"seconds": time.perf_counter() - start}

    def peak(self, system, direction):
        """Runs the first step; returns what it needs beyond what was there.

        Not a later one: TensorFlow keeps what the first has allocated.
        """
        measuring.release()
        before = measuring.resident_bytes()
        resets = measuring.reset_peak()
        self.steps[system][direction]()
        needed = measuring.peak_bytes() - before
        return {"bytes": max(needed, 0) if resets else None}


if __name__ == "__main__":
    server = Server()
    measuring.serve(
        {
            "prepare": server.prepare,
            "time": server.time,
            "peak": server.peak,
        }
    )
