"""Attention with copied weights gives what other people's modules give."""

from pathlib import Path

import keras
import numpy as np
import pytest

from keras_selfattn.layers.attention_positions import (
    AlibiPositions,
    RotaryPositions,
    T5RelativeBuckets,
)
from keras_selfattn.layers.cross_attention import MultiHeadCrossAttention
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention
from tests.arrays import prefix_mask, sequences, to_numpy
from tests.fixed_weights import draw_weights, relative_path

pytestmark = pytest.mark.backend

GOLDEN = Path(__file__).parent.parent / "golden" / "positions.npz"
LENGTH, DIM = 9, 16
REAL = prefix_mask([LENGTH, 5], LENGTH)


def built(layer, *shapes):
    layer.build(*shapes)
    return draw_weights(layer)


def copy_to_keras(ours, theirs):
    """Copies our weights into a Keras attention layer, head by head."""
    values = {
        relative_path(ours, variable): to_numpy(variable.value)
        for variable in ours.weights
    }
    for variable in theirs.weights:
        name, kind = variable.path.split("/")[-2:]
        value = values[f"{name.replace('attention_output', 'output')}/{kind}"]
        variable.assign(value.reshape(variable.shape))


def assert_same(found, expected, atol=1e-5):
    np.testing.assert_allclose(to_numpy(found), to_numpy(expected), atol=atol)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("head_dim", [4, 6])
def test_equals_keras_multi_head_attention(causal, masked, head_dim):
    ours = built(
        MultiHeadSelfAttention(4, head_dim, name="ours"), (None, None, DIM)
    )
    theirs = keras.layers.MultiHeadAttention(num_heads=4, key_dim=head_dim)
    inputs = sequences(length=LENGTH, dim=DIM)
    theirs(inputs, inputs)
    copy_to_keras(ours, theirs)
    mask = np.repeat(REAL[:, None], LENGTH, axis=1)
    for scores in (False, True):
        found = ours(
            inputs,
            padding_mask=REAL if masked else None,
            use_causal_mask=causal,
            return_attention_scores=scores,
        )
        expected = theirs(
            inputs,
            inputs,
            attention_mask=mask if masked else None,
            use_causal_mask=causal,
            return_attention_scores=scores,
        )
        assert_same(
            found[0] if scores else found, expected[0] if scores else expected
        )
    assert_same(found[1], expected[1])


def test_cross_attention_equals_keras_multi_head_attention():
    context = sequences(length=7, dim=12, seed=1)
    inputs = sequences(length=LENGTH, dim=DIM)
    ours = built(
        MultiHeadCrossAttention(4, name="ours"),
        (None, None, DIM),
        (None, None, 12),
    )
    theirs = keras.layers.MultiHeadAttention(num_heads=4, key_dim=4)
    theirs(inputs, context)
    copy_to_keras(ours, theirs)
    real = prefix_mask([7, 3], 7)
    assert_same(
        ours(inputs, context, context_padding_mask=real),
        theirs(inputs, context, attention_mask=real[:, None]),
    )


@pytest.mark.parametrize("num_key_value_heads", [1, 2, 4])
@pytest.mark.parametrize("causal", [False, True])
def test_groups_equal_keras_group_query_attention(num_key_value_heads, causal):
    ours = built(
        MultiHeadSelfAttention(
            4, 6, num_key_value_heads=num_key_value_heads, name="ours"
        ),
        (None, None, DIM),
    )
    theirs = keras.layers.GroupQueryAttention(
        head_dim=6,
        num_query_heads=4,
        num_key_value_heads=num_key_value_heads,
    )
    inputs = sequences(length=LENGTH, dim=DIM)
    theirs(inputs, inputs)
    copy_to_keras(ours, theirs)
    expected = theirs(
        inputs,
        inputs,
        attention_mask=np.repeat(REAL[:, None], LENGTH, axis=1),
        use_causal_mask=causal,
    )
    found = ours(inputs, padding_mask=REAL, use_causal_mask=causal)
    assert_same(found, expected)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("crossed", [False, True])
def test_equals_torchs_multi_head_attention(causal, crossed):
    torch = pytest.importorskip("torch")
    inputs = sequences(length=LENGTH, dim=DIM)
    context = sequences(length=LENGTH, dim=DIM, seed=1) if crossed else inputs
    theirs = torch.nn.MultiheadAttention(DIM, 4, batch_first=True)
    shape = (None, None, DIM)
    ours = (
        built(MultiHeadCrossAttention(4, name="ours"), shape, shape)
        if crossed
        else built(MultiHeadSelfAttention(4, name="ours"), shape)
    )
    values = {
        relative_path(ours, variable): to_numpy(variable.value)
        for variable in ours.weights
    }
    with torch.no_grad():
        parts = ("query", "key", "value")
        theirs.in_proj_weight.copy_(
            torch.tensor(
                np.concatenate([values[f"{x}/kernel"].T for x in parts])
            )
        )
        theirs.in_proj_bias.copy_(
            torch.tensor(np.concatenate([values[f"{x}/bias"] for x in parts]))
        )
        theirs.out_proj.weight.copy_(torch.tensor(values["output/kernel"].T))
        theirs.out_proj.bias.copy_(torch.tensor(values["output/bias"]))
        triangle = np.tri(LENGTH, dtype=bool)
        device = torch.device("cpu")
        expected, _ = theirs(
            torch.tensor(inputs, device=device),
            torch.tensor(context, device=device),
            torch.tensor(context, device=device),
            key_padding_mask=torch.tensor(~REAL, device=device),
            attn_mask=torch.tensor(~triangle) if causal else None,
        )
    mask = triangle if causal else None
    if crossed:
        found = ours(
            inputs, context, context_padding_mask=REAL, attention_mask=mask
        )
    else:
        found = ours(inputs, padding_mask=REAL, attention_mask=mask)
    np.testing.assert_allclose(to_numpy(found), expected.numpy(), atol=1e-5)


def golden():
    return np.load(GOLDEN)


MODULES = {
    "llama": {
        "num_heads": 6,
        "head_dim": 8,
        "num_key_value_heads": 2,
        "positions": RotaryPositions(500.0),
        "use_bias": False,
    },
    "gpt_neox": {"num_heads": 3, "positions": RotaryPositions(fraction=0.5)},
    "bloom_3": {"num_heads": 3, "positions": AlibiPositions()},
    "bloom_4": {"num_heads": 4, "positions": "alibi"},
    "t5": {
        "num_heads": 3,
        "head_dim": 8,
        "positions": T5RelativeBuckets(8, 10),
        "use_bias": False,
    },
    "t5_decoder": {
        "num_heads": 3,
        "head_dim": 8,
        "positions": T5RelativeBuckets(8, 10, bidirectional=False),
        "use_bias": False,
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_equals_the_attention_of_transformers(module):
    """Llama, GPT-NeoX, BLOOM, T5: see `golden/make_positions.py`."""
    arrays = golden()
    inputs = arrays["inputs"]
    layer = MultiHeadSelfAttention(**MODULES[module], name="ours")
    layer.build(inputs.shape)
    for variable in layer.weights:
        variable.assign(arrays[f"{module}/{relative_path(layer, variable)}"])
    causal = module != "t5"
    outputs, scores = layer(
        inputs, use_causal_mask=causal, return_attention_scores=True
    )
    assert_same(scores, arrays[f"{module}/scores"])
    assert_same(outputs, arrays[f"{module}/outputs"], 2e-5)
    alone = layer(inputs, use_causal_mask=causal)
    assert_same(alone, arrays[f"{module}/outputs"], 2e-5)


@pytest.mark.parametrize(
    "name,settings",
    [
        ("t5", (32, 128, True)),
        ("t5_decoder", (32, 128, False)),
        ("few", (8, 20, True)),
        ("odd", (20, 50, False)),
    ],
)
def test_t5_buckets_equal_those_of_transformers(name, settings):
    distance = keras.ops.convert_to_tensor(-np.arange(-300, 301), "int32")
    np.testing.assert_array_equal(
        to_numpy(T5RelativeBuckets(*settings).buckets(distance)),
        golden()[f"buckets/{name}"],
    )


def test_alibi_rates_equal_those_of_transformers():
    np.testing.assert_allclose(
        AlibiPositions.rates(12), golden()["slopes"], rtol=1e-6
    )


def test_the_golden_file_says_what_made_it():
    assert golden()["versions"].tolist() == [
        "transformers 5.23.0",
        "torch 2.13.0+cpu",
    ]
