import keras
import numpy as np
import pytest

from keras_selfattn.models.causal_transformer import CausalTransformer
from tests import reference
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used

pytestmark = pytest.mark.backend

IDS = np.random.default_rng(0).integers(1, 20, (2, 7)).astype("int32")
GPT2 = {}
OTHER = {
    "positions": "rotary",
    "tie_embeddings": False,
    "use_bias": False,
    "block": {
        "activation": "swiglu",
        "norm": {"kind": "layer", "epsilon": 1e-3, "center": False},
    },
}


def model(**kwargs):
    arguments = {
        "hidden_dim": 8,
        "num_layers": 2,
        "num_heads": 2,
        "max_sequence_length": 9,
    }
    return draw_weights(CausalTransformer(20, **{**arguments, **kwargs}))


def logits(transformer, ids=IDS):
    return to_numpy(transformer(ids))


def gpt2(ids, w, num_layers=2, num_heads=2):
    """GPT-2 once more, in float64."""
    x = w["token_embedding/embeddings"][ids]
    x = x + w["positions/embeddings"][: ids.shape[1]]
    past = np.tri(ids.shape[1], dtype=bool)
    for i in range(num_layers):
        block = reference.below(w, f"block_{i}")
        x = reference.encoder_block(x, block, num_heads, "gelu_new", True, past)
    x = reference.layer_norm(x, reference.below(w, "output_norm"))
    return x @ w["token_embedding/embeddings"].T


def test_is_gpt2_written_out():
    transformer = model()
    expected = gpt2(IDS, reference.weights_of(transformer))
    np.testing.assert_allclose(logits(transformer), expected, atol=5e-5)


@pytest.mark.parametrize("kind", ["gpt2", "other"])
def test_gives_the_golden_outputs_on_every_backend(kind):
    found = logits(model(**(GPT2 if kind == "gpt2" else OTHER)))
    np.testing.assert_allclose(found[1, 4, :6], GOLDEN[kind], atol=1e-4)


@pytest.mark.parametrize("change", [GPT2, OTHER], ids=["gpt2", "other"])
def test_cached_equals_uncached_and_no_token_sees_a_later_one(change):
    transformer = model(**change)
    expected = logits(transformer)
    changed = IDS.copy()
    changed[:, 4:] = 3
    after = logits(transformer, changed)
    np.testing.assert_allclose(after[:, :4], expected[:, :4], atol=1e-5)
    assert np.abs(after[:, 4:] - expected[:, 4:]).max() > 0.1
    caches, start = transformer.caches(2, 8), 0
    for stop in (3, 4, 5, 6, 7):  # several tokens at first, then one by one
        found, hidden, caches = transformer.decode_step(
            IDS[:, start:stop], start, caches
        )
        np.testing.assert_allclose(
            to_numpy(found), expected[:, start:stop], atol=1e-5
        )
        assert hidden.shape == (2, stop - start, 8)
        start = stop


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_dim": 12},
        {"num_layers": 1},
        {"num_heads": 4},
        {"intermediate_dim": 16},
        {"positions": "sinusoidal"},
        {"positions": "rotary"},
        {"tie_embeddings": False},
        {"use_bias": False},
        {"block": {"activation": "gelu"}},
        {"block": {"norm": {"kind": "layer", "epsilon": 0.1}}},
        {"block": {"norm_first": False}},
    ],
    ids=str,
)
def test_every_size_changes_values(change):
    found = logits(model(**change)) - logits(model())
    assert np.abs(found).max() > 1e-4


def test_first_weights_are_gpt2s():
    transformer = CausalTransformer(500, 64, 2, 4, max_sequence_length=64)
    spread = {
        variable.path: float(to_numpy(variable.value).std())
        for variable in transformer.weights
        if len(variable.shape) > 1
    }
    for path, found in spread.items():
        closing = "output/kernel" in path or "contract/kernel" in path
        assert found == pytest.approx(0.01 if closing else 0.02, rel=0.1), path
    again = CausalTransformer(500, 64, 2, 4, max_sequence_length=64)
    other = CausalTransformer(500, 64, 2, 4, max_sequence_length=64, seed=1)
    values = [to_numpy(m.weights[0].value) for m in (transformer, again, other)]
    np.testing.assert_array_equal(values[0], values[1])
    assert np.abs(values[0] - values[2]).max() > 0.01


def test_dropout_acts_in_training_only_and_gradients_reach_all():
    for rate in ({"dropout": 0.5}, {"inner_dropout": 0.5}):
        dropped = model(**rate)
        np.testing.assert_array_equal(logits(dropped), logits(model()))
        change = to_numpy(dropped(IDS, training=True)) - logits(dropped)
        assert np.abs(change).max() > 0.01
    transformer = model()
    target = np.random.default_rng(1).normal(size=(2, 7, 20)).astype("float32")

    def loss():
        return keras.ops.sum(keras.ops.multiply(transformer(IDS), target))

    assert_finite_and_used(transformer, loss, unused=("key/bias",))


def test_round_trip(tmp_path):
    transformer = model(**OTHER, seed=3)
    transformer.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.get_config() == transformer.get_config()
    np.testing.assert_allclose(logits(loaded), logits(transformer), atol=1e-6)


def test_attention_is_that_to_the_past():
    weights = [to_numpy(part) for part in model().attention_scores(IDS)]
    assert [part.shape for part in weights] == [(2, 2, 7, 7)] * 2
    np.testing.assert_allclose(weights[1].sum(-1), 1.0, atol=1e-5)
    assert not np.triu(weights[0], 1).any()


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_layers": 0}, "num_layers=0, max_sequence_length=256; expected"),
        ({"max_sequence_length": 1}, "max_sequence_length=1; expected"),
        ({"block": {"depth": 3}}, r"unknown entries \['depth'\]"),
        ({"block": {"norm": {"kind": "batch"}}}, "'batch'} is unknown"),
        ({"block": {"norm": {"kind": "rms", "center": 0}}}, "center"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        CausalTransformer(20, hidden_dim=8, num_heads=2, **wrong)


GOLDEN = {
    "gpt2": [0.626024, -0.484356, 0.369749, 0.432314, -0.351181, 0.373755],
    "other": [-1.2602, 2.347764, 1.832802, -1.29302, 0.537186, 1.976731],
}
