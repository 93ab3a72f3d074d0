import keras
import numpy as np
import pytest

from keras_selfattn.models.text_cnn import TextCNN
from tests.arrays import prefix_mask, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted

IDS = np.random.default_rng(0).integers(1, 20, (2, 9)).astype("int32")
MASK = prefix_mask([9, 5], 9)


def model(**kwargs):
    arguments = {"hidden_dim": 8, "filters": 6, "kernel_sizes": (2, 3)}
    return draw_weights(TextCNN(20, **{**arguments, **kwargs}))


def hidden(encoder, ids=IDS, mask=MASK, **kwargs):
    inputs = {"token_ids": ids, "padding_mask": mask}
    return to_numpy(encoder(inputs, **kwargs)["hidden"])


@pytest.mark.backend
def test_gives_the_golden_outputs_on_every_backend():
    found = hidden(model())
    assert found.shape == (2, 9, 8)
    np.testing.assert_allclose(found[0, 4], GOLDEN, atol=1e-4)


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
def test_padding_content_cannot_change_valid_outputs():
    encoder = model()
    clean = hidden(encoder)
    other = hidden(encoder, np.where(MASK, IDS, 7))
    np.testing.assert_allclose(other, clean, atol=1e-6)
    alone = hidden(encoder, IDS[1:, :5], MASK[1:, :5])
    np.testing.assert_allclose(clean[1, :5], alone[0], atol=1e-5)
    assert not clean[~MASK].any()


def test_sees_its_neighbourhood_and_nothing_beyond():
    # Two blocks whose widest kernel is 3: 1 * 2 + 2 * 2 tokens around.
    encoder = model(kernel_sizes=(3,), dilations=(1, 2))
    ids = np.full((1, 15), 3, "int32")
    mask = np.ones((1, 15), bool)
    changed = ids.copy()
    changed[0, 7] = 11
    difference = np.abs(
        hidden(encoder, changed, mask) - hidden(encoder, ids, mask)
    ).max(axis=(0, 2))
    assert (difference[4:11] > 1e-4).all()
    assert not difference[:4].any() and not difference[11:].any()


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_dim": 12},
        {"kernel_sizes": (2, 5)},
        {"filters": 7},
        {"dilations": (1, 3)},
        {"dilations": (1,)},
        {"embedding_dim": 6},
        {"fixed_dim": 4},
        {"activation": "tanh"},
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
    encoder = model()
    inputs = {"token_ids": IDS, "padding_mask": MASK}

    def loss():
        return keras.ops.sum(keras.ops.square(encoder(inputs)["hidden"][:, 1]))

    assert_finite_and_used(encoder, loss)


@pytest.mark.backend
def test_round_trip(tmp_path):
    encoder = model(dilations=(1, 2), activation="gelu", seed=3)
    encoder.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is TextCNN
    assert loaded.get_config() == encoder.get_config()
    np.testing.assert_allclose(hidden(loaded), hidden(encoder), atol=1e-6)


@pytest.mark.backend
@needs_tensorflow
def test_converts_with_an_unknown_length():
    encoder = model(dilations=(1, 2))

    def function(token_ids, padding_mask):
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        return encoder(inputs)["hidden"]

    found = run_converted(function, token_ids=IDS[1:], padding_mask=MASK[1:])
    np.testing.assert_allclose(found, hidden(encoder)[1:], atol=1e-5)


@pytest.mark.parametrize(
    "wrong", [{"kernel_sizes": ()}, {"dilations": ()}], ids=str
)
def test_nothing_to_convolve_with_is_refused(wrong):
    with pytest.raises(ValueError, match="kernel size and a dilation"):
        TextCNN(20, **wrong)


GOLDEN = [
    -0.337871,
    -0.071501,
    0.031355,
    -0.609659,
    1.012088,
    0.614362,
    1.945448,
    -2.024901,
]
