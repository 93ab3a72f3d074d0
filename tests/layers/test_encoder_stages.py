"""Chunk by chunk, an encoder gives what it gives for the whole sequence.

On other backends: `tests/tasks/test_streaming_graph.py`, where it is compiled.
"""

import keras
import numpy as np
import pytest

from keras_selfattn.models.conformer import ConformerEncoder
from tests.arrays import prefix_mask, sequences, to_numpy
from tests.fixed_weights import draw_weights

STAGE = {
    "hidden_dim": 8,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_dim": 12,
    "kernel_size": 7,
    "dropout": 0.1,
}
WHISPER = {
    **STAGE,
    "strides": [1, 2],
    "block": "transformer",
    "positions": "sinusoidal",
}


def zeros(encoder, batch):
    return {
        name: np.zeros(shape if name == "frames" else (batch, *shape[1:]), kind)
        for name, (shape, kind) in encoder.state_shapes().items()
    }


def step_by_step(encoder, features, mask, chunk_frames):
    """All chunks, one after the other; what is missing at the end is padded."""
    size = chunk_frames * encoder.stride
    missing = -features.shape[1] % size
    features = np.pad(
        features, ((0, 0), (0, missing), (0, 0)), constant_values=9.0
    )
    mask = np.pad(mask, ((0, 0), (0, missing)))
    state, outputs, valid = zeros(encoder, len(features)), [], []
    for start in range(0, features.shape[1], size):
        places = slice(start, start + size)
        hidden, real, state = encoder.step(
            features[:, places], mask[:, places], state
        )
        assert set(state) == set(encoder.state_shapes())
        outputs.append(to_numpy(hidden))
        valid.append(to_numpy(real))
    frames = int(keras.ops.convert_to_numpy(state["frames"])[0])
    assert frames == sum(piece.shape[1] for piece in outputs)
    return np.concatenate(outputs, 1), np.concatenate(valid, 1)


@pytest.mark.parametrize(
    "stages,chunk_frames",
    [
        (({**STAGE, "positions": "rotary"},), 2),
        (({**STAGE, "positions": "relative"},), 5),
        ((WHISPER, {**STAGE, "strides": [2]}), 1),
        ((WHISPER, {**STAGE, "strides": [2]}), 3),
    ],
    ids=["rotary-2", "relative-5", "both-1", "both-3"],
)
def test_steps_are_the_whole_in_chunks(stages, chunk_frames):
    encoder = draw_weights(
        ConformerEncoder(6, stages, streaming={"left_frames": 4})
    )
    frames = 45  # no whole number of chunks, nor of strides
    features, mask = sequences(length=frames, dim=6), prefix_mask([45, 30], 45)
    encoder.chunk_frames = chunk_frames
    whole = encoder({"features": features, "padding_mask": mask})
    hidden, valid = step_by_step(encoder, features, mask, chunk_frames)
    length = whole["hidden"].shape[1]
    real = to_numpy(whole["padding_mask"])
    np.testing.assert_array_equal(valid[:, :length], real)
    assert not valid[:, length:].any()
    np.testing.assert_allclose(
        hidden[:, :length][real], to_numpy(whole["hidden"])[real], atol=2e-5
    )


def test_the_state_has_a_fixed_size_and_names():
    encoder = ConformerEncoder(
        6, [WHISPER, {**STAGE, "strides": [2]}], streaming={"left_frames": 4}
    )
    assert encoder.state_shapes() == {
        "frames": ((1,), "int32"),
        "stage_0_subsampling_0": ((1, 2, 6), "float32"),
        "stage_0_subsampling_1": ((1, 1, 8), "float32"),
        "stage_0_key": ((1, 2, 8, 8), "float32"),
        "stage_0_value": ((1, 2, 8, 8), "float32"),
        "stage_1_subsampling_0": ((1, 1, 8), "float32"),
        "stage_1_key": ((1, 2, 4, 8), "float32"),
        "stage_1_value": ((1, 2, 4, 8), "float32"),
        "stage_1_convolution": ((1, 2, 3, 8), "float32"),
    }
    with pytest.raises(ValueError, match="made without streaming"):
        ConformerEncoder(6, [STAGE]).state_shapes()
    with pytest.raises(ValueError, match="kernel_size=1"):
        ConformerEncoder(6, [{**STAGE, "kernel_size": 1}], streaming={})
