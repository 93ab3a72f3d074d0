import keras
import numpy as np
import pytest

from keras_selfattn.models.text_encoder import TextEncoder
from tests.arrays import prefix_mask, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted

IDS = np.random.default_rng(0).integers(1, 20, (2, 7)).astype("int32")
MASK = prefix_mask([7, 4], 7)
ATTENTIONS = {
    "full": None,
    "local": {"kind": "local", "window": 2, "right": 1},
    "low_rank": {"kind": "low_rank", "rank": 3, "max_sequence_length": 7},
    "nystrom": {"kind": "nystrom", "num_landmarks": 3},
}
any_attention = pytest.mark.parametrize("kind", sorted(ATTENTIONS))


def model(kind="full", **kwargs):
    arguments = {
        "hidden_dim": 8,
        "num_layers": 2,
        "num_heads": 2,
        "intermediate_dim": 12,
        "attention": ATTENTIONS[kind],
    }
    return draw_weights(TextEncoder(20, **{**arguments, **kwargs}))


def hidden(encoder, ids=IDS, mask=MASK, **kwargs):
    inputs = {"token_ids": ids, "padding_mask": mask}
    return to_numpy(encoder(inputs, **kwargs)["hidden"])


@pytest.mark.backend
@any_attention
def test_gives_the_golden_outputs_on_every_backend(kind):
    found = hidden(model(kind))
    assert found.shape == (2, 7, 8)
    np.testing.assert_allclose(found[1, 2], GOLDEN[kind], atol=1e-4)


@pytest.mark.backend
def test_the_mask_comes_out_as_it_came():
    inputs = {"token_ids": IDS, "padding_mask": MASK}
    assert (to_numpy(model()(inputs)["padding_mask"]) == MASK).all()


def test_is_part_of_a_larger_model():
    encoder = model()
    symbols = {
        "token_ids": keras.Input((None,), dtype="int32"),
        "padding_mask": keras.Input((None,), dtype="bool"),
    }
    outputs = encoder(symbols)
    larger = keras.Model(symbols, keras.ops.sum(outputs["hidden"], axis=-1))
    found = larger({"token_ids": IDS, "padding_mask": MASK})
    np.testing.assert_allclose(
        to_numpy(found), hidden(encoder).sum(-1), atol=1e-5
    )


@pytest.mark.backend
@any_attention
def test_padding_content_cannot_change_valid_outputs(kind):
    encoder = model(kind)
    clean = hidden(encoder)
    other = hidden(encoder, np.where(MASK, IDS, 7))
    np.testing.assert_allclose(other, clean, atol=1e-6)
    alone = hidden(encoder, IDS[1:, :4], MASK[1:, :4])
    np.testing.assert_allclose(clean[1, :4], alone[0], atol=1e-5)
    assert not clean[~MASK].any()


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_dim": 12},
        {"num_layers": 1},
        {"num_heads": 4},
        {"intermediate_dim": 16},
        {"positions": None},
        {"positions": "rotary"},
        {"positions": "learned", "max_sequence_length": 9},
        {"kind": "local"},
        {"block": {"activation": "relu"}},
        {"block": {"norm": "rms"}},
        {"block": {"norm_first": False}},
        {"embedding_dim": 6},
        {"fixed_dim": 4},
    ],
    ids=str,
)
def test_every_size_changes_values(change):
    before, after = hidden(model()), hidden(model(**change))
    assert before.shape != after.shape or np.abs(before - after).max() > 1e-3


def test_dropout_acts_in_training_only():
    dropped, kept = model(dropout=0.5), model(dropout=0.0)
    np.testing.assert_array_equal(hidden(dropped), hidden(kept))
    change = hidden(dropped, training=True) - hidden(kept)
    assert np.abs(change).max() > 0.01


@pytest.mark.backend
def test_gradients_are_finite_and_reach_every_weight():
    encoder = model(positions="learned", max_sequence_length=9)
    inputs = {"token_ids": IDS, "padding_mask": MASK}
    target = np.random.default_rng(1).normal(size=(2, 7, 8)).astype("float32")

    def loss():
        return keras.ops.sum(
            keras.ops.multiply(encoder(inputs)["hidden"], target)
        )

    assert_finite_and_used(encoder, loss, unused=("key/bias",))


@pytest.mark.backend
@pytest.mark.parametrize("kind", ["full", "local"])
def test_round_trip(kind, tmp_path):
    encoder = model(
        kind, positions="rotary", block={"activation": "swiglu"}, seed=3
    )
    encoder.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is TextEncoder
    assert loaded.get_config() == encoder.get_config()
    np.testing.assert_allclose(hidden(loaded), hidden(encoder), atol=1e-6)


def test_weights_come_from_every_layer_and_sum_to_one():
    encoder = model()
    inputs = {"token_ids": IDS, "padding_mask": MASK}
    weights = [to_numpy(layer) for layer in encoder.attention_scores(inputs)]
    assert [layer.shape for layer in weights] == [(2, 2, 7, 7)] * 2
    np.testing.assert_allclose(weights[1].sum(-1), 1.0, atol=1e-5)
    assert not weights[0][1, :, :, 4:].any()
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


@pytest.mark.backend
@needs_tensorflow
def test_converts_with_an_unknown_length():
    encoder = model(positions="rotary")

    def function(token_ids, padding_mask):
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        return encoder(inputs)["hidden"]

    found = run_converted(function, token_ids=IDS[1:], padding_mask=MASK[1:])
    np.testing.assert_allclose(found, hidden(encoder)[1:], atol=1e-5)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_layers": 0}, "num_layers must be >= 1"),
        ({"positions": "learned"}, "need max_sequence_length"),
        ({"block": {"depth": 3}}, r"unknown entries \['depth'\]"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        TextEncoder(20, hidden_dim=8, **wrong)


GOLDEN = {
    "full": [
        -0.052292,
        -0.784841,
        0.057341,
        0.489355,
        -0.186388,
        -0.952259,
        1.33991,
        1.286562,
    ],
    "local": [
        -0.147637,
        -0.818011,
        0.141244,
        0.595638,
        0.117766,
        -1.046451,
        1.426202,
        0.867528,
    ],
    "low_rank": [
        -0.339209,
        0.080633,
        -0.209602,
        0.428627,
        0.272376,
        -0.852105,
        2.388535,
        -0.952751,
    ],
    "nystrom": [
        -0.054522,
        -0.789512,
        0.065429,
        0.485292,
        -0.209551,
        -0.936621,
        1.346424,
        1.290344,
    ],
}
