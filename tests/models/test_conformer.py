import keras
import numpy as np
import pytest

from keras_selfattn.models.conformer import ConformerEncoder
from tests.arrays import prefix_mask, sequences, spoil, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used

pytestmark = pytest.mark.backend

FRAMES = 19
MASK = prefix_mask([19, 10], FRAMES)
STAGE = {
    "hidden_dim": 8,
    "num_layers": 1,
    "num_heads": 2,
    "intermediate_dim": 12,
    "kernel_size": 3,
    "dropout": 0.0,
}
WHISPER = {
    **STAGE,
    "strides": [1, 2],
    "block": "transformer",
    "positions": "sinusoidal",
}


def encoder(*stages, **kwargs):
    stages = stages or (STAGE,)
    return draw_weights(ConformerEncoder(6, list(stages), **kwargs))


def encode(model, features, mask=MASK, **kwargs):
    inputs = {"features": features, "padding_mask": mask}
    outputs = model(inputs, **kwargs)
    return to_numpy(outputs["hidden"]), to_numpy(outputs["padding_mask"])


def features():
    return sequences(length=FRAMES, dim=6)


@pytest.mark.slow
@pytest.mark.parametrize(
    "stages,frames,last",
    [((STAGE,), 5, 3), ((WHISPER,), 10, 5), ((WHISPER, STAGE), 3, 2)],
    ids=["conformer", "transformer", "both"],
)
def test_masks_lengths_and_padding(stages, frames, last):
    model = encoder(*stages)
    inputs = features()
    hidden, mask = encode(model, inputs)
    assert hidden.shape == (2, frames, 8)
    np.testing.assert_array_equal(mask, prefix_mask([frames, last], frames))
    assert model.output_length(19) == frames
    np.testing.assert_array_equal(
        model.output_length(np.array([19, 10])), [frames, last]
    )
    assert model.stride == {5: 4, 10: 2, 3: 8}[frames]
    spoilt, _ = encode(model, spoil(inputs, MASK))
    np.testing.assert_allclose(spoilt[mask], hidden[mask], atol=2e-5)
    alone, _ = encode(model, inputs[1:, :10], MASK[1:, :10])
    np.testing.assert_allclose(hidden[1, :last], alone[0], atol=2e-5)


def test_unit_variance_stands_at_the_end_of_either_kind_of_stage():
    for stage in (STAGE, WHISPER):
        model = ConformerEncoder(6, [stage])  # fresh norms: scale 1, shift 0
        hidden, mask = encode(model, features())
        np.testing.assert_allclose(hidden[mask].mean(axis=-1), 0, atol=1e-5)
        np.testing.assert_allclose(hidden[mask].std(axis=-1), 1, atol=1e-2)


@pytest.mark.parametrize(
    "change",
    [
        {"strides": [2, 1]},
        {"hidden_dim": 12},
        {"num_layers": 2},
        {"num_heads": 1},
        {"intermediate_dim": 16},
        {"block": "transformer"},
        {"positions": "relative"},
        {"positions": "sinusoidal"},
        {"positions": None},
        {"kernel_size": 5},
    ],
    ids=str,
)
def test_each_entry_of_a_stage_changes_the_outputs(change):
    inputs = features()
    usual, _ = encode(encoder(), inputs)
    changed, _ = encode(encoder({**STAGE, **change}), inputs)
    if "strides" in change or "hidden_dim" in change:
        assert changed.shape != usual.shape
    else:
        assert np.abs(changed - usual).max() > 1e-3


def test_dropout_acts_in_training_only_and_follows_the_seed():
    inputs = features()
    stage = {**STAGE, "dropout": 0.3}
    calm, _ = encode(encoder(), inputs)
    np.testing.assert_array_equal(encode(encoder(stage), inputs)[0], calm)
    dropped, again, other = (
        encode(encoder(stage, seed=seed), inputs, training=True)[0]
        for seed in (0, 0, 1)
    )
    assert np.abs(dropped - calm).max() > 0.01
    np.testing.assert_array_equal(again, dropped)
    assert np.abs(other - dropped).max() > 0.01


def test_gradients_are_finite_and_reach_every_weight():
    model = encoder(WHISPER, STAGE)
    inputs = features()

    def loss():
        outputs = model(
            {"features": inputs, "padding_mask": MASK}, training=True
        )
        return keras.ops.mean(outputs["hidden"][:, :, 0] ** 2)

    assert_finite_and_used(model, loss, ("key/bias",))


def test_keras_file_round_trip(tmp_path):
    model = encoder(WHISPER, {**STAGE, "dropout": 0.1}, seed=3)
    model.save(tmp_path / "encoder.keras")
    loaded = keras.models.load_model(tmp_path / "encoder.keras")
    assert isinstance(loaded, ConformerEncoder)
    assert loaded.get_config() == model.get_config()
    inputs = features()
    np.testing.assert_allclose(
        encode(loaded, inputs)[0], encode(model, inputs)[0], atol=1e-6
    )


def test_variable_paths_do_not_depend_on_what_was_built_before():
    paths = [
        [variable.path for variable in encoder(WHISPER, STAGE).weights]
        for _ in range(2)
    ]
    assert paths[0] == paths[1]
    assert len(set(paths[0])) == len(paths[0])
    assert "stage_0_norm/gamma" in paths[0]
    assert "stage_1_block_0/attention/query/kernel" in paths[0]


@pytest.mark.parametrize(
    "stages,said",
    [
        ([], "empty"),
        ([{"hidden": 8}], "hidden.*known"),
        ([{**STAGE, "block": "lstm"}], "lstm"),
        ([{**STAGE, "positions": "absolute"}], "absolute"),
        ([{**STAGE, "strides": [0]}], "positive ints"),
    ],
)
def test_wrong_stages_are_refused(stages, said):
    with pytest.raises(ValueError, match=said):
        ConformerEncoder(6, stages)


STREAMING = {"chunk_frames": [2, 3], "left_frames": 4}
each_kind = pytest.mark.parametrize(
    "stages",
    [(STAGE,), (WHISPER,), ({**WHISPER, "strides": [1, 2]}, STAGE)],
    ids=["conformer", "transformer", "both"],
)


@pytest.mark.slow
@each_kind
def test_a_chunk_depends_on_nothing_behind_it(stages):
    size = 3
    model = encoder(*stages, streaming=STREAMING)
    model.chunk_frames = size
    frames = 3 * size * model.stride
    inputs = sequences(length=frames, dim=6)
    mask = np.ones((2, frames), bool)
    usual, _ = encode(model, inputs, mask)
    changed = inputs.copy()
    changed[:, 2 * size * model.stride :] += 1.0
    found, _ = encode(model, changed, mask)
    np.testing.assert_allclose(
        found[:, : 2 * size], usual[:, : 2 * size], atol=1e-5
    )
    moved = np.abs(found - usual).max(axis=(0, 2))
    assert (moved[2 * size :] > 1e-3).all()
    # Full context is another model: what comes later reaches everything.
    model.chunk_frames = None
    whole, _ = encode(model, inputs, mask)
    moved = np.abs(encode(model, changed, mask)[0] - whole).max(axis=(0, 2))
    assert (moved > 1e-4).all()


def test_a_chunk_depends_on_limited_left_context_only():
    model = encoder(streaming={"chunk_frames": [2], "left_frames": 4})
    model.chunk_frames = 2
    frames = 16 * model.stride
    inputs, mask = sequences(length=frames, dim=6), np.ones((2, frames), bool)
    usual, _ = encode(model, inputs, mask)
    changed = inputs.copy()
    changed[:, :4] += 1.0  # the first encoder frame; a part of the second
    moved = np.abs(encode(model, changed, mask)[0] - usual).max(axis=(0, 2))
    # Attention: the chunks at 2 and 4 see frames 0 and 1, then convolution
    # one frame more.
    assert (moved[:7] > 1e-5).all()
    assert (moved[7:] < 1e-5).all()


@each_kind
def test_one_chunk_of_everything_is_full_context(stages):
    model = encoder(*stages, streaming=STREAMING)
    inputs = features()
    whole, mask = encode(model, inputs)
    model.chunk_frames = 100
    found, same = encode(model, inputs)
    np.testing.assert_array_equal(same, mask)
    np.testing.assert_allclose(found[mask], whole[mask], atol=2e-5)
    model.chunk_frames = 2
    padded, _ = encode(model, spoil(inputs, MASK))
    np.testing.assert_allclose(
        padded[mask], encode(model, inputs)[0][mask], atol=2e-5
    )


def test_training_draws_sizes_by_its_seed_and_state():
    streaming = {**STREAMING, "full_context_rate": 0.25}

    def steps(model, count):
        inputs = features()
        return [encode(model, inputs, training=True)[0] for _ in range(count)]

    model = encoder(streaming=streaming)
    sizes = {}
    for size in (None, 2, 3):
        model.chunk_frames = size
        sizes[size] = encode(model, features())[0]
    found = steps(model, 16)
    drawn = [
        size
        for step in found
        for size, expected in sizes.items()
        if np.abs(step - expected).max() < 1e-4
    ]
    assert len(drawn) == 16 and set(drawn) == {None, 2, 3}
    again = encoder(streaming=streaming)
    for one, other in zip(found, steps(again, 16), strict=True):
        np.testing.assert_array_equal(one, other)
    # The state is a variable of the model, so a checkpoint holds it; it is
    # no weight, so files of weights stay as they are.
    state = again.seed_generator.state
    assert any(state is variable for variable in again.variables)
    usual = [v.path.split("/", 1)[1] for v in encoder().weights]
    assert [v.path.split("/", 1)[1] for v in again.weights] == usual


def test_gradients_of_a_drawn_size_reach_every_weight():
    model = encoder(
        WHISPER, STAGE, streaming={**STREAMING, "full_context_rate": 0.0}
    )
    inputs = {"features": features(), "padding_mask": MASK}

    def loss():
        hidden = model(inputs, training=True)["hidden"]
        return keras.ops.mean(keras.ops.square(hidden[..., :4]))

    assert_finite_and_used(model, loss, ())


def test_streaming_is_in_the_config_only_where_it_was_chosen(tmp_path):
    assert "streaming" not in encoder().get_config()
    model = encoder(streaming={"chunk_frames": 2})
    config = model.get_config()
    assert config["streaming"] == {
        "chunk_frames": [2],
        "left_frames": 64,
        "full_context_rate": 0.5,
    }
    assert ConformerEncoder.from_config(config).get_config() == config
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    model.chunk_frames = loaded.chunk_frames = 2
    np.testing.assert_allclose(
        encode(loaded, features())[0], encode(model, features())[0], atol=1e-6
    )


@pytest.mark.parametrize(
    "streaming,message",
    [
        ({"chunks": 3}, "unknown entries"),
        ({"chunk_frames": []}, "at least one of chunk_frames"),
        ({"chunk_frames": [0]}, "ints >= 1"),
        ({"left_frames": 2.5}, "ints >= 1"),
        ({"full_context_rate": 2}, "full_context_rate"),
    ],
)
def test_streaming_that_cannot_be_is_refused(streaming, message):
    with pytest.raises(ValueError, match=message):
        encoder(streaming=streaming)
    with pytest.raises(ValueError, match="made without streaming"):
        encoder().chunk_frames = 4
