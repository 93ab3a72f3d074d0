"""The layers once more, in NumPy float64 and by the plainest formulas.

Shapes: `B` batch, `T` positions, `N` heads, `H` head dimension, `D` model
dimension. `w` is a dict from a variable's path below the layer to its value.
"""

import math

import keras
import numpy as np

from tests.fixed_weights import relative_path


def weights_of(layer):
    return {
        relative_path(layer, variable): keras.ops.convert_to_numpy(
            keras.ops.cast(variable.value, "float32")
        ).astype("float64")
        for variable in layer.weights
    }


def below(w, prefix):
    prefix = f"{prefix}/"
    return {
        path.removeprefix(prefix): value
        for path, value in w.items()
        if path.startswith(prefix)
    }


def dense(x, w):
    return x @ w["kernel"] + w.get("bias", 0.0)


def layer_norm(x, w):
    mean = x.mean(axis=-1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-5) * w["gamma"] + w["beta"]


def rms_norm(x, w, epsilon=1e-6):
    mean_square = (x**2).mean(axis=-1, keepdims=True)
    return x / np.sqrt(mean_square + epsilon) * w["gamma"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "silu": lambda x: x * sigmoid(x),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / 2**0.5)),
    "gelu_new": lambda x: (
        x * 0.5 * (1 + np.tanh((2 / np.pi) ** 0.5 * (x + 0.044715 * x**3)))
    ),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "linear": lambda x: x,
}
GATES = {
    "glu": "sigmoid",
    "bilinear": "linear",
    "reglu": "relu",
    "geglu": "gelu",
    "geglu_new": "gelu_new",
    "swiglu": "silu",
}


def sinusoid(position, dim, max_wavelength=10000.0):
    """The vector of one position: sines, then cosines."""
    half = dim // 2
    angles = [
        position / max_wavelength ** (i / (half - 1)) for i in range(half)
    ]
    return np.array(
        [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    )


def rotate(x, position, max_wavelength=10000.0, pairs="halves"):
    """One head's vector, turned as half as many complex numbers."""
    half = x.shape[-1] // 2
    if pairs == "neighbours":
        halves = np.concatenate([x[::2], x[1::2]])
        turned = rotate(halves, position, max_wavelength)
        return turned.reshape(2, half).T.ravel()
    turned = (x[:half] + 1j * x[half:]) * np.array(
        [
            np.exp(1j * position * max_wavelength ** (-i / half))
            for i in range(half)
        ]
    )
    return np.concatenate([turned.real, turned.imag])


def attention(x, w, num_heads, positions=None, mask=None):
    """Attention by loops over rows: outputs `(B, T, D)`, weights.

    `mask` broadcasts to `(B, N, T, T)`.
    """
    x = np.asarray(x, "float64")
    batch, length, dim = x.shape
    query, key, value = (
        dense(x, below(w, name)) for name in ("query", "key", "value")
    )
    inner = query.shape[-1]
    head_dim = inner // num_heads
    shape = (batch, num_heads, length, length)
    mask = np.broadcast_to(True if mask is None else mask, shape)
    weights = np.zeros(shape)
    mixed = np.zeros((batch, length, inner))
    for b in range(batch):
        for n in range(num_heads):
            part = slice(n * head_dim, (n + 1) * head_dim)
            q, k, v = query[b, :, part], key[b, :, part], value[b, :, part]
            for i in range(length):
                keys = [j for j in range(length) if mask[b, n, i, j]]
                if not keys:
                    continue
                scores = np.array(
                    [
                        _score(q[i], k[j], i, j, w, n, positions, dim)
                        for j in keys
                    ]
                ) / np.sqrt(head_dim)
                exponentials = np.exp(scores - scores.max())
                weights[b, n, i, keys] = exponentials / exponentials.sum()
                mixed[b, i, part] = weights[b, n, i] @ v
    return dense(mixed, below(w, "output")), weights


def _score(q, k, i, j, w, head, positions, dim):
    if positions == "rotary":
        return rotate(q, i) @ rotate(k, j)
    if positions == "relative":
        size = q.shape[-1]
        kernel = w["position/kernel"][:, head * size : (head + 1) * size]
        distance = sinusoid(i - j, dim) @ kernel
        return (q + w["content_bias"][head, 0]) @ k + (
            q + w["position_bias"][head, 0]
        ) @ distance
    return q @ k


def feed_forward(x, w, activation):
    hidden = dense(x, below(w, "expand"))
    if activation in GATES:
        gate = dense(x, below(w, "gate"))
        hidden = hidden * ACTIVATIONS[GATES[activation]](gate)
    else:
        hidden = ACTIVATIONS[activation](hidden)
    return dense(hidden, below(w, "contract"))


def convolution_module(x, w, padding_mask, normalization="layer"):
    value, gate = np.split(dense(x, below(w, "gate")), 2, axis=-1)
    hidden = value * sigmoid(gate) * padding_mask[..., None]
    kernel = w["depthwise/kernel"][:, :, 0]  # (width, D)
    reach = len(kernel) // 2
    padded = np.pad(hidden, ((0, 0), (reach, reach), (0, 0)))
    hidden = np.stack(
        [
            (padded[:, t : t + len(kernel)] * kernel).sum(axis=1)
            for t in range(x.shape[1])
        ],
        axis=1,
    )
    hidden = hidden + w["depthwise/bias"]
    norm = below(w, "norm")
    if normalization == "layer":
        hidden = layer_norm(hidden, norm)
    else:
        hidden = (hidden - norm["moving_mean"]) / np.sqrt(
            norm["moving_variance"] + 1e-3
        ) * norm["gamma"] + norm["beta"]
    return dense(ACTIVATIONS["silu"](hidden), below(w, "project"))


def conformer_block(x, w, num_heads, positions, padding_mask, mask=True):
    mask = padding_mask[:, None, None, :] & mask
    norm = {
        name: below(w, f"{name}_norm")
        for name in (
            "feed_forward_in",
            "attention",
            "convolution",
            "feed_forward_out",
            "output",
        )
    }
    x = np.asarray(x, "float64")
    x = x + 0.5 * feed_forward(
        layer_norm(x, norm["feed_forward_in"]),
        below(w, "feed_forward_in"),
        "silu",
    )
    x = (
        x
        + attention(
            layer_norm(x, norm["attention"]),
            below(w, "attention"),
            num_heads,
            positions,
            mask,
        )[0]
    )
    x = x + convolution_module(
        layer_norm(x, norm["convolution"]),
        below(w, "convolution"),
        padding_mask,
    )
    x = x + 0.5 * feed_forward(
        layer_norm(x, norm["feed_forward_out"]),
        below(w, "feed_forward_out"),
        "silu",
    )
    return layer_norm(x, norm["output"])


NORMS = {"layer": layer_norm, "rms": rms_norm}


def encoder_block(
    x, w, num_heads, activation, norm_first, mask=None, norm="layer"
):
    def attend(y):
        return attention(y, below(w, "attention"), num_heads, None, mask)[0]

    def feed(y):
        return feed_forward(y, below(w, "feed_forward"), activation)

    branches = {"attention": attend, "feed_forward": feed}
    return residual_branches(x, w, branches, norm_first, norm)


def residual_branches(x, w, branches, norm_first, norm="layer"):
    """Branches one after another, each with a residual and a norm."""
    x = np.asarray(x, "float64")
    for name, branch in branches.items():
        weights = below(w, f"{name}_norm")
        if norm_first:
            x = x + branch(NORMS[norm](x, weights))
        else:
            x = NORMS[norm](x + branch(x), weights)
    return x


def subsampling(x, w, strides, padding_mask, activation="gelu"):
    """Returns outputs `(B, T', D)` and their mask."""
    x = np.asarray(x, "float64")
    for i, stride in enumerate(strides):
        part = below(w, f"convolution_{i}")
        x = np.pad(x * padding_mask[..., None], ((0, 0), (1, 1), (0, 0)))
        x = np.stack(
            [
                np.einsum("bkd,kdf->bf", x[:, t : t + 3], part["kernel"])
                for t in range(0, x.shape[1] - 2, stride)
            ],
            axis=1,
        )
        x = ACTIVATIONS[activation](x + part["bias"])
        padding_mask = padding_mask[:, ::stride]
    return x, padding_mask
