"""What trained presets rely on: variable paths, in order, and the numbers.

The outputs were computed before the blocks took their attention by argument;
the weights depend on the paths (`fixed_weights`). A change here breaks every
preset that was published: there is no other reason to look at this file.
"""

import numpy as np
import pytest

from keras_selfattn.layers.conformer_block import ConformerBlock
from keras_selfattn.layers.encoder_block import EncoderBlock
from tests.arrays import prefix_mask, sequences, to_numpy
from tests.fixed_weights import draw_weights, relative_path

pytestmark = pytest.mark.backend

MASK = prefix_mask([7, 4], 7)


def dense(name, inputs=8, outputs=8):
    return {f"{name}/kernel": (inputs, outputs), f"{name}/bias": (outputs,)}


def norm(name):
    return {f"{name}/gamma": (8,), f"{name}/beta": (8,)}


def feed_forward(name="feed_forward"):
    return {
        **dense(f"{name}/expand", 8, 12),
        **dense(f"{name}/contract", 12, 8),
    }


BIASES = {
    "attention/content_bias": (2, 1, 4),
    "attention/position_bias": (2, 1, 4),
}
ATTENTION = {
    **dense("attention/query"),
    **dense("attention/key"),
    **dense("attention/value"),
    **dense("attention/output"),
}
POSITION = {"attention/position/kernel": (8, 8)}
NORMS = {**norm("attention_norm"), **norm("feed_forward_norm")}
CASES = {
    "encoder": (
        lambda: EncoderBlock(2, 12, name="block"),
        {**ATTENTION, **feed_forward(), **NORMS},
        [-0.185891, -0.428159, -1.287526, -1.999116]
        + [-1.083846, 0.324802, 1.411168, 0.721152],
        95.0596,
    ),
    "encoder_relative_post_norm": (
        lambda: EncoderBlock(
            2, 12, "silu", "relative", norm_first=False, name="block"
        ),
        {**BIASES, **ATTENTION, **POSITION, **feed_forward(), **NORMS},
        [-0.412602, 0.636028, -0.929949, -1.122010]
        + [-1.338463, 0.418776, 1.208560, 1.270246],
        66.5136,
    ),
    "encoder_rotary": (
        lambda: EncoderBlock(2, 12, "relu", "rotary", name="block"),
        {**ATTENTION, **feed_forward(), **NORMS},
        [-0.305655, -0.885365, -0.113558, -2.052601]
        + [-1.693974, 0.524330, 1.664078, 0.523168],
        98.1608,
    ),
    "conformer": (
        lambda: ConformerBlock(2, 12, 3, name="block"),
        {
            **feed_forward("feed_forward_in"),
            **norm("feed_forward_in_norm"),
            **BIASES,
            **ATTENTION,
            **POSITION,
            **norm("attention_norm"),
            **dense("convolution/gate", 8, 16),
            "convolution/depthwise/kernel": (3, 8, 1),
            "convolution/depthwise/bias": (8,),
            **norm("convolution/norm"),
            **dense("convolution/project"),
            **norm("convolution_norm"),
            **feed_forward("feed_forward_out"),
            **norm("feed_forward_out_norm"),
            **norm("output_norm"),
        },
        [0.917292, -0.754429, -0.752032, -1.003252]
        + [0.083444, 0.765305, 0.949262, 0.946742],
        65.2877,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_paths_order_and_outputs_are_those_of_the_presets(case):
    make, shapes, vector, total = CASES[case]
    block = make()
    block.build((None, None, 8))
    found = {
        relative_path(block, variable): tuple(variable.shape)
        for variable in block.variables
    }
    assert found == shapes
    assert list(found) == list(shapes)
    outputs = to_numpy(
        draw_weights(block)(
            sequences(),
            padding_mask=MASK,
            attention_mask=np.tri(7, dtype=bool),
        )
    )
    np.testing.assert_allclose(outputs[1, 3], vector, atol=1e-5)
    np.testing.assert_allclose(np.abs(outputs[MASK]).sum(), total, rtol=1e-5)


@pytest.mark.parametrize("block", [EncoderBlock, ConformerBlock])
def test_configs_of_the_presets_still_make_the_block(block):
    old = {
        "name": "block",
        "trainable": True,
        "dtype": "float32",
        "num_heads": 2,
        "intermediate_dim": 12,
        "positions": "rotary",
        "dropout": 0.1,
        "inner_dropout": 0.2,
        "seed": 5,
    }
    own = {
        EncoderBlock: {"activation": "gelu", "norm_first": True},
        ConformerBlock: {"kernel_size": 3, "normalization": "layer"},
    }[block]
    made = block.from_config({**old, **own})
    config = made.get_config()
    for name, value in {**old, **own}.items():
        if name != "dtype":
            assert config[name] == value, name
