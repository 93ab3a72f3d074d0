import keras
import numpy as np
import pytest

from keras_selfattn.models.t5 import T5
from tests.arrays import prefix_mask, to_numpy
from tests.attention_reference import t5_bucket
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used

RNG = np.random.default_rng(0)
SOURCE = RNG.integers(1, 20, (2, 7)).astype("int32")
MASK = prefix_mask([7, 4], 7)
TARGET = RNG.integers(1, 20, (2, 5)).astype("int32")
INPUTS = {
    "source_ids": SOURCE,
    "source_padding_mask": MASK,
    "target_ids": TARGET,
}
KINDS = {
    "1.0": {},
    "1.1": {"activation": "geglu_new", "tie_embeddings": False},
}


def model(**kwargs):
    arguments = {
        "hidden_dim": 8,
        "num_layers": [2, 2],
        "num_heads": 3,
        "head_dim": 5,
        "intermediate_dim": 12,
        "position_buckets": (6, 9),
    }
    return draw_weights(T5(20, **{**arguments, **kwargs}))


def logits(transformer, **changes):
    return to_numpy(transformer({**INPUTS, **changes}))


def written_out(transformer, source, target):
    """The logits of one pair by the formula, float64, and nothing of ours."""
    weights = {
        v.path: to_numpy(v.value).astype("float64") for v in transformer.weights
    }

    def norm(x, name):
        root = np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6)
        return x / root * weights[f"{name}/gamma"]

    def attend(x, y, name, bias):
        query, key, value = (
            (z @ weights[f"{name}/{part}/kernel"]).reshape(len(z), 3, 5)
            for z, part in ((x, "query"), (y, "key"), (y, "value"))
        )
        scores = np.einsum("tnh,snh->nts", query, key) + bias
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        scores /= scores.sum(-1, keepdims=True)
        mixed = np.einsum("nts,snh->tnh", scores, value).reshape(len(x), 15)
        return mixed @ weights[f"{name}/output/kernel"]

    def feed(x, name):
        hidden = x @ weights[f"{name}/expand/kernel"]
        if transformer.activation == "relu":
            hidden = np.maximum(hidden, 0)
        else:
            gate = x @ weights[f"{name}/gate/kernel"]
            inner = np.sqrt(2 / np.pi) * (gate + 0.044715 * gate**3)
            hidden *= gate * (1 + np.tanh(inner)) / 2
        return hidden @ weights[f"{name}/contract/kernel"]

    def bias(side, length):
        table = weights[f"{side}_positions/relative_bias"]
        both = side == "encoder"
        buckets = [
            [t5_bucket(i - j, 6, 9, both) for j in range(length)]
            for i in range(length)
        ]
        return table[np.array(buckets)].transpose(2, 0, 1)

    table = weights["token_embedding/embeddings"]
    x = table[source]
    for i in range(2):
        name = f"encoder_block_{i}"
        y = norm(x, f"{name}/attention_norm")
        x = x + attend(y, y, f"{name}/attention", bias("encoder", len(x)))
        y = norm(x, f"{name}/feed_forward_norm")
        x = x + feed(y, f"{name}/feed_forward")
    context = norm(x, "encoder_norm")
    x = table[target]
    hidden = np.where(np.tri(len(x), dtype=bool), 0, -np.inf)
    for i in range(2):
        name = f"decoder_block_{i}"
        y = norm(x, f"{name}/attention_norm")
        own = bias("decoder", len(x)) + hidden
        x = x + attend(y, y, f"{name}/attention", own)
        y = norm(x, f"{name}/cross_attention_norm")
        x = x + attend(y, context, f"{name}/cross_attention", 0)
        y = norm(x, f"{name}/feed_forward_norm")
        x = x + feed(y, f"{name}/feed_forward")
    x = norm(x, "decoder_norm")
    if transformer.tie_embeddings:
        return x @ table.T / np.sqrt(8)
    return x @ weights["token_embedding/reverse_embeddings"]


@pytest.mark.backend
@pytest.mark.parametrize("kind", KINDS)
def test_equals_the_formula(kind):
    transformer = model(**KINDS[kind])
    found = logits(transformer)
    for row, length in enumerate((7, 4)):
        expected = written_out(transformer, SOURCE[row, :length], TARGET[row])
        np.testing.assert_allclose(found[row], expected, atol=1e-4)
    assert np.abs(found).max() > 0.5


@pytest.mark.backend
@pytest.mark.parametrize("first", [1, 3])
def test_cached_equals_uncached(first):
    """The first call may bring several tokens, the others one each."""
    transformer = model(**KINDS["1.1"])
    expected = logits(transformer)
    context = transformer.context_caches(transformer.encode(SOURCE, MASK))
    caches = transformer.self_caches(2, 6)
    start = 0
    while start < 5:
        stop = max(first, start + 1)
        found, caches = transformer.decode_step(
            TARGET[:, start:stop], start, caches, context, MASK
        )
        np.testing.assert_allclose(
            to_numpy(found), expected[:, start:stop], atol=1e-5
        )
        start = stop


def test_the_rows_of_a_beam_equal_steps():
    """Two rows of a source, each of which goes on from its own tokens."""
    transformer = model()
    expected = logits(transformer)
    context = transformer.context_caches(transformer.encode(SOURCE, MASK))
    ids = np.repeat(TARGET, 2, axis=0)  # (B K, T)
    caches = keras.tree.map_structure(
        lambda x: keras.ops.zeros((2, 3, 2 * 6, 5)),
        transformer.self_caches(2, 6),
    )
    source_bias = keras.ops.where(MASK[:, None, None], 0.0, -1e9)
    seen = np.full((2, 1, 2, 12), -1e9, "float32")
    for position in range(5):
        for row in range(2):
            seen[:, :, row, 2 * position + row] = 0.0
        found, caches = transformer.continue_rows(
            keras.ops.array(ids[:, position]),
            2,
            position,
            keras.ops.array(seen),
            caches,
            context,
            source_bias,
        )
        np.testing.assert_allclose(
            to_numpy(found)[::2], expected[:, position], atol=1e-5
        )
        np.testing.assert_allclose(
            to_numpy(found)[1::2], to_numpy(found)[::2], atol=1e-6
        )


def test_no_target_token_sees_a_later_one_nor_padding():
    transformer = model()
    before = logits(transformer)
    changed = TARGET.copy()
    changed[:, 3:] = 9
    after = logits(transformer, target_ids=changed)
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-5)
    assert np.abs(after[:, 3:] - before[:, 3:]).max() > 0.01
    other = logits(transformer, source_ids=np.where(MASK, SOURCE, 7))
    np.testing.assert_allclose(other, before, atol=1e-5)


@pytest.mark.parametrize(
    "change",
    [
        {"num_layers": [1, 2]},
        {"head_dim": 4},
        {"scale_outputs": False},
        {"position_buckets": (8, 9)},
        {"position_buckets": (6, 4)},
        {"norm_epsilon": 1e-2},
        {"activation": "gelu"},
    ],
    ids=str,
)
def test_every_size_changes_values(change):
    found = logits(model(**change)) - logits(model())
    assert np.abs(found).max() > 1e-3


def test_dropout_acts_in_training_only():
    kept = logits(model(dropout=0.0))
    for rates in ({"dropout": 0.5}, {"dropout": 0.0, "inner_dropout": 0.5}):
        dropped = model(**rates)
        np.testing.assert_array_equal(logits(dropped), kept)
        change = to_numpy(dropped(INPUTS, training=True)) - kept
        assert np.abs(change).max() > 0.01


@pytest.mark.backend
def test_gradients_are_finite_and_reach_every_weight():
    transformer = model(**KINDS["1.1"])
    target = RNG.normal(size=(2, 5, 20)).astype("float32")

    def loss():
        return keras.ops.sum(keras.ops.multiply(transformer(INPUTS), target))

    assert_finite_and_used(transformer, loss)


@pytest.mark.parametrize("kind", KINDS)
def test_first_weights_give_scores_of_about_one(kind):
    """Queries begin small, and so does a matrix of its own at the output."""
    sizes = {**KINDS[kind], "hidden_dim": 48, "head_dim": 16}
    transformer = T5(200, num_layers=1, num_heads=2, **sizes)
    found = logits(transformer)
    assert 0.3 < found.std() < 3
    block = transformer.get_layer("encoder_block_0").attention
    ratio = (
        to_numpy(block.query.kernel).std() / to_numpy(block.key.kernel).std()
    )
    assert ratio == pytest.approx(0.25, rel=0.2)


def test_round_trip_and_attention(tmp_path):
    transformer = model(**KINDS["1.1"], seed=3)
    transformer.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is T5
    assert loaded.get_config() == transformer.get_config()
    np.testing.assert_allclose(logits(loaded), logits(transformer), atol=1e-6)
    weights = [to_numpy(part) for part in loaded.attention_scores(INPUTS)]
    assert [part.shape for part in weights] == [(2, 3, 5, 7)] * 2
    np.testing.assert_allclose(weights[1].sum(-1), 1.0, atol=1e-5)
    assert not weights[0][1, :, :, 4:].any()


def test_wrong_arguments_are_refused():
    for wrong in (0, [1, 2, 3]):
        with pytest.raises(ValueError, match="num_layers=.*; expected an int"):
            T5(20, num_layers=wrong)
    with pytest.raises(ValueError, match="num_buckets=3"):
        T5(20, position_buckets=(3, 9))
