import keras
import numpy as np
import pytest

from keras_selfattn.models.bert import BertEncoder
from keras_selfattn.tasks.foreign_encoder import encode
from tests.arrays import prefix_mask, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used

IDS = np.random.default_rng(0).integers(1, 20, (2, 7)).astype("int32")
MASK = prefix_mask([7, 4], 7)
SEGMENTS = (np.arange(7) > 2).astype("int32")[None].repeat(2, 0)
SIZES = {
    "hidden_dim": 8,
    "num_layers": 2,
    "num_heads": 2,
    "intermediate_dim": 12,
    "max_sequence_length": 9,
}


def model(**options):
    return draw_weights(BertEncoder(20, **{**SIZES, **options}))


def outputs(encoder, ids=IDS, mask=MASK, segments=SEGMENTS, **options):
    inputs = {"token_ids": ids, "padding_mask": mask}
    if encoder.num_segments > 1:
        inputs["segment_ids"] = segments
    found = encoder(inputs, **options)
    return {name: to_numpy(value) for name, value in found.items()}


@pytest.mark.backend
def test_padding_and_what_is_behind_it_change_nothing():
    encoder = model()
    clean = outputs(encoder)
    other = outputs(encoder, np.where(MASK, IDS, 7))
    np.testing.assert_allclose(other["hidden"], clean["hidden"], atol=1e-6)
    alone = outputs(encoder, IDS[1:, :4], MASK[1:, :4], SEGMENTS[1:, :4])
    for name in ("hidden", "pooled"):
        np.testing.assert_allclose(
            clean[name][1][:4] if name == "hidden" else clean[name][1],
            alone[name][0],
            atol=1e-5,
        )
    assert not clean["hidden"][~MASK].any()
    assert (clean["padding_mask"] == MASK).all()
    kernel, bias = (
        to_numpy(v.value) for v in encoder.get_layer("pooler").weights
    )
    np.testing.assert_allclose(
        clean["pooled"],
        np.tanh(clean["hidden"][:, 0] @ kernel + bias),
        atol=1e-5,
    )


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_dim": 12},
        {"num_layers": 1},
        {"num_heads": 4},
        {"intermediate_dim": 16},
        {"num_segments": 0},
        {"num_segments": 1},
        {"first_position": 2},
        {"activation": "relu"},
        {"norm_epsilon": 0.1},
    ],
    ids=str,
)
def test_every_size_changes_values(change):
    before = outputs(model())["hidden"]
    after = outputs(model(**change))["hidden"]
    assert before.shape != after.shape or np.abs(before - after).max() > 1e-3


def test_options_change_what_is_there():
    assert "pooled" not in outputs(model(pooler=False))
    hidden = np.ones((1, 1, 8), "float32")
    tied, untied = model(), model(tie_embeddings=False)
    table = to_numpy(tied.get_layer("token_embedding").embeddings)
    np.testing.assert_allclose(
        to_numpy(tied.scores(hidden))[0, 0], table.sum(1), atol=1e-5
    )
    paths = {v.path for v in untied.weights} - {v.path for v in tied.weights}
    assert paths == {"token_embedding/reverse_embeddings"}
    other = outputs(model(), segments=0 * SEGMENTS)
    assert np.abs(other["hidden"] - outputs(model())["hidden"]).max() > 1e-3


def test_dropouts_act_in_training_only():
    for name in ("dropout", "attention_dropout"):
        options = {"dropout": 0.0, name: 0.5}
        encoder, kept = model(**options), model(dropout=0.0)
        expected = outputs(kept)["hidden"]
        np.testing.assert_array_equal(outputs(encoder)["hidden"], expected)
        trained = outputs(encoder, training=True)["hidden"]
        assert np.abs(trained - expected).max() > 0.01


@pytest.mark.backend
def test_gradients_are_finite_and_reach_every_weight():
    encoder = model()
    inputs = {
        "token_ids": IDS,
        "padding_mask": MASK,
        "segment_ids": SEGMENTS,
    }
    target = np.random.default_rng(1).normal(size=(2, 7, 8)).astype("float32")

    def loss():
        found = encoder(inputs)
        return sum(
            keras.ops.sum(keras.ops.multiply(found[name], weights))
            for name, weights in (
                ("hidden", target),
                ("pooled", target[:, 0]),
            )
        )

    assert_finite_and_used(encoder, loss, unused=("key/bias",))


@pytest.mark.backend
def test_round_trip(tmp_path):
    encoder = model(num_segments=1, first_position=2, activation="silu")
    encoder.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is BertEncoder
    assert loaded.get_config() == encoder.get_config()
    np.testing.assert_allclose(
        outputs(loaded)["hidden"], outputs(encoder)["hidden"], atol=1e-6
    )


def test_a_task_calls_it_as_any_encoder():
    encoder = model()
    expected = outputs(encoder, segments=0 * SEGMENTS)["hidden"]
    found = to_numpy(encode(encoder, IDS, MASK))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="num_layers must be >= 1"):
        model(num_layers=0)
    for wrong in ({"num_segments": -1}, {"first_position": 9}):
        with pytest.raises(ValueError, match="must be 0 or more, and"):
            model(**wrong)
    encoder = model(first_position=3)
    assert encoder.room == 6
    with pytest.raises(ValueError, match="=9 less first=3 are learned"):
        outputs(encoder)


def test_attention_scores_are_those_of_the_call():
    encoder = model(num_segments=2)
    inputs = {"token_ids": IDS, "padding_mask": MASK, "segment_ids": SEGMENTS}
    found = [to_numpy(scores) for scores in encoder.attention_scores(inputs)]
    assert [scores.shape for scores in found] == [(2, 2, 7, 7)] * 2
    for scores in found:
        np.testing.assert_allclose(scores.sum(-1), 1, rtol=1e-5)
        assert not scores[1, :, :, 4:].any()
    block = encoder.get_layer("block_0")
    x = encoder.get_layer("token_embedding")(IDS)
    x = x + encoder.get_layer("segment_embedding")(SEGMENTS)
    x = encoder.get_layer("embedding_norm")(encoder.get_layer("positions")(x))
    x, first = block(x, padding_mask=MASK, return_attention_scores=True)
    np.testing.assert_allclose(found[0], to_numpy(first), atol=1e-6)
    x = encoder.get_layer("block_1")(x, padding_mask=MASK)
    np.testing.assert_allclose(
        to_numpy(x) * MASK[..., None], outputs(encoder)["hidden"], atol=1e-5
    )
    del inputs["segment_ids"]
    flat = to_numpy(encoder.attention_scores(inputs)[0])
    assert np.abs(flat - found[0]).max() > 1e-3
