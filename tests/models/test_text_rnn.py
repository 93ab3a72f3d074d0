import keras
import numpy as np
import pytest

from keras_selfattn.models.text_rnn import TextRNN
from tests.arrays import prefix_mask, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted

IDS = np.random.default_rng(0).integers(1, 20, (2, 7)).astype("int32")
MASK = prefix_mask([7, 4], 7)
either_cell = pytest.mark.parametrize("cell", ["gru", "lstm"])


def model(**kwargs):
    arguments = {"hidden_dim": 8, "num_layers": 2}
    return draw_weights(TextRNN(20, **{**arguments, **kwargs}))


def hidden(encoder, ids=IDS, mask=MASK, **kwargs):
    inputs = {"token_ids": ids, "padding_mask": mask}
    return to_numpy(encoder(inputs, **kwargs)["hidden"])


@pytest.mark.backend
@either_cell
def test_gives_the_golden_outputs_on_every_backend(cell):
    found = hidden(model(cell=cell))
    assert found.shape == (2, 7, 8)
    np.testing.assert_allclose(found[1, 2], GOLDEN[cell], atol=1e-4)


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
@either_cell
def test_padding_content_cannot_change_valid_outputs(cell):
    encoder = model(cell=cell)
    clean = hidden(encoder)
    other = hidden(encoder, np.where(MASK, IDS, 7))
    np.testing.assert_allclose(other, clean, atol=1e-6)
    alone = hidden(encoder, IDS[1:, :4], MASK[1:, :4])
    np.testing.assert_allclose(clean[1, :4], alone[0], atol=1e-5)
    assert not clean[~MASK].any()


@either_cell
def test_padding_may_stand_anywhere(cell):
    encoder = model(cell=cell)
    mask = np.array([[False, True, True, False, True, True, False]])
    clean = hidden(encoder, IDS[:1], mask)
    without = hidden(encoder, IDS[:1, mask[0]], np.ones((1, 4), bool))
    np.testing.assert_allclose(clean[:, mask[0]], without, atol=1e-5)


def test_each_half_looks_one_way():
    encoder = model(num_layers=1)
    changed = IDS.copy()
    changed[:, 3] = 19 - changed[:, 3]
    mask = np.ones_like(MASK)
    difference = np.abs(
        hidden(encoder, changed, mask) - hidden(encoder, IDS, mask)
    ).max(axis=0)
    forward, backward = difference[:, :4], difference[:, 4:]
    assert not forward[:3].any() and (forward[3:].max(-1) > 1e-4).all()
    assert not backward[4:].any() and (backward[:4].max(-1) > 1e-4).all()


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_dim": 12},
        {"num_layers": 1},
        {"cell": "lstm"},
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
@either_cell
def test_gradients_are_finite_and_reach_every_weight(cell):
    encoder = model(cell=cell)
    inputs = {"token_ids": IDS, "padding_mask": MASK}

    def loss():
        return keras.ops.sum(keras.ops.square(encoder(inputs)["hidden"]))

    assert_finite_and_used(encoder, loss)


@pytest.mark.backend
@either_cell
def test_round_trip(cell, tmp_path):
    encoder = model(cell=cell, seed=3)
    encoder.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is TextRNN
    assert loaded.get_config() == encoder.get_config()
    np.testing.assert_allclose(hidden(loaded), hidden(encoder), atol=1e-6)


@pytest.mark.backend
@needs_tensorflow
@either_cell
def test_converts_with_an_unknown_length(cell):
    encoder = model(cell=cell, num_layers=1)

    def function(token_ids, padding_mask):
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        return encoder(inputs)["hidden"]

    found = run_converted(function, token_ids=IDS[1:], padding_mask=MASK[1:])
    np.testing.assert_allclose(found, hidden(encoder)[1:], atol=1e-5)


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"cell": "rnn"}, "'gru' or 'lstm'"),
        ({"hidden_dim": 9}, "an even number"),
        ({"num_layers": 0}, "num_layers must be >= 1"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        TextRNN(20, **wrong)


GOLDEN = {
    "gru": [
        -0.140106,
        -0.18931,
        0.197124,
        0.25379,
        -0.27208,
        -0.030421,
        -0.202098,
        -0.017356,
    ],
    "lstm": [
        -0.0094,
        -0.090003,
        0.061501,
        -0.058821,
        -0.135069,
        0.039288,
        -0.064259,
        -0.031085,
    ],
}
