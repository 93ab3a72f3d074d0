import keras
import numpy as np
import pytest

from keras_selfattn.models.transformer import Transformer
from tests.arrays import prefix_mask, to_numpy
from tests.fixed_weights import draw_weights
from tests.gradients import assert_finite_and_used
from tests.litert import needs_tensorflow, run_converted

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)
SOURCE = RNG.integers(1, 20, (2, 7)).astype("int32")
MASK = prefix_mask([7, 4], 7)
TARGET = RNG.integers(1, 20, (2, 5)).astype("int32")
INPUTS = {
    "source_ids": SOURCE,
    "source_padding_mask": MASK,
    "target_ids": TARGET,
}


def model(**kwargs):
    arguments = {
        "hidden_dim": 8,
        "num_layers": 2,
        "num_heads": 2,
        "intermediate_dim": 12,
    }
    return draw_weights(Transformer(20, **{**arguments, **kwargs}))


def logits(transformer, **changes):
    return to_numpy(transformer({**INPUTS, **changes}))


@pytest.mark.parametrize("kind", ["sinusoidal", "rotary", "separate"])
def test_gives_the_golden_outputs_on_every_backend(kind):
    found = logits(model(**KINDS[kind]))
    assert found.shape == (2, 5, 13 if kind == "separate" else 20)
    np.testing.assert_allclose(found[1, 3, :8], GOLDEN[kind], atol=1e-4)


def test_no_target_token_sees_a_later_one():
    transformer = model()
    before = logits(transformer)
    changed = TARGET.copy()
    changed[:, 3:] = 9
    after = logits(transformer, target_ids=changed)
    np.testing.assert_allclose(after[:, :3], before[:, :3], atol=1e-5)
    assert np.abs(after[:, 3:] - before[:, 3:]).max() > 0.1


def test_padding_of_the_source_changes_nothing():
    transformer = model()
    before = logits(transformer)
    other = logits(transformer, source_ids=np.where(MASK, SOURCE, 7))
    np.testing.assert_allclose(other, before, atol=1e-5)
    alone = to_numpy(
        transformer(
            {
                "source_ids": SOURCE[1:, :4],
                "source_padding_mask": MASK[1:, :4],
                "target_ids": TARGET[1:],
            }
        )
    )
    np.testing.assert_allclose(alone[0], before[1], atol=1e-5)


def test_the_source_matters():
    transformer = model()
    changed = SOURCE.copy()
    changed[:, 0] += 1
    change = logits(transformer, source_ids=changed) - logits(transformer)
    assert np.abs(change).max() > 1e-2


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"positions": "rotary"},
        {"positions": "learned", "max_sequence_length": 9},
        {
            "block": {"norm": "rms", "norm_first": False},
            "scale_embeddings": False,
            "output_bias": True,
        },
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [1, 3])
def test_cached_equals_uncached(change, first):
    """The first call may bring several tokens, the others one each."""
    transformer = model(**change)
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


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_dim": 12},
        {"num_layers": 1},
        {"num_layers": [2, 1]},
        {"num_layers": [1, 2]},
        {"num_heads": 4},
        {"intermediate_dim": 16},
        {"positions": None},
        {"positions": "learned", "max_sequence_length": 9},
        {"positions": {"kind": "sinusoidal", "max_wavelength": 100.0}},
        {"scale_embeddings": False},
        {"output_bias": True},
        {"tie_embeddings": False},
        {"block": {"activation": "relu"}},
    ],
    ids=str,
)
def test_every_size_changes_values(change):
    found = logits(model(**change)) - logits(model())
    assert np.abs(found).max() > 1e-3


def test_dropout_acts_in_training_only():
    dropped, kept = model(dropout=0.5), model(dropout=0.0)
    np.testing.assert_array_equal(logits(dropped), logits(kept))
    change = to_numpy(dropped(INPUTS, training=True)) - logits(kept)
    assert np.abs(change).max() > 0.01


@pytest.mark.parametrize("kind", ["rotary", "separate"])
def test_gradients_are_finite_and_reach_every_weight(kind):
    transformer = model(**KINDS[kind])
    target = RNG.normal(size=logits(transformer).shape).astype("float32")

    def loss():
        return keras.ops.sum(keras.ops.multiply(transformer(INPUTS), target))

    # A tied matrix is one weight; the key's bias has no effect on softmax.
    assert_finite_and_used(transformer, loss, unused=("key/bias",))


def test_embeddings_are_shared_tied_or_separate():
    def tables(transformer):
        return sorted(
            (v.path.rsplit("/", 2)[-2:], tuple(v.shape))
            for v in transformer.weights
            if "embedding" in v.path
        )

    assert [shape for _, shape in tables(model())] == [(20, 8)]
    assert [shape for _, shape in tables(model(tie_embeddings=False))] == [
        (20, 8),
        (8, 20),
    ]
    assert [shape for _, shape in tables(model(**KINDS["separate"]))] == [
        (20, 8),
        (13, 8),
    ]


@pytest.mark.parametrize("kind", ["rotary", "separate"])
def test_round_trip(kind, tmp_path):
    transformer = model(**KINDS[kind], num_layers=[1, 2], seed=3)
    transformer.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is Transformer
    assert loaded.get_config() == transformer.get_config()
    np.testing.assert_allclose(logits(loaded), logits(transformer), atol=1e-6)


def test_attention_to_the_source_comes_from_every_layer():
    transformer = model()
    weights = [to_numpy(part) for part in transformer.attention_scores(INPUTS)]
    assert [part.shape for part in weights] == [(2, 2, 5, 7)] * 2
    np.testing.assert_allclose(weights[1].sum(-1), 1.0, atol=1e-5)
    assert not weights[0][1, :, :, 4:].any()
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


@needs_tensorflow
def test_encoder_and_step_convert():
    """Built-in operators only, length of the source not known."""
    transformer = model()
    hidden = transformer.encode(SOURCE, MASK)

    def step(token_ids, hidden, mask):
        return transformer.decode_step(
            token_ids[:, :1],
            0,
            transformer.self_caches(1, 6),
            transformer.context_caches(hidden),
            mask,
        )[0]

    found = run_converted(
        step,
        token_ids=TARGET[1:, :1],
        hidden=to_numpy(hidden)[1:],
        mask=MASK[1:],
    )
    np.testing.assert_allclose(found, logits(transformer)[1:, :1], atol=1e-4)
    encoded = run_converted(
        transformer.encode, source_ids=SOURCE[1:], source_padding_mask=MASK[1:]
    )
    np.testing.assert_allclose(
        encoded[0, :4], to_numpy(hidden)[1, :4], atol=1e-4
    )


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"num_layers": 0}, "num_layers=0; expected"),
        ({"num_layers": [1, 2, 3]}, r"\[1, 2, 3\]; expected"),
        ({"positions": "learned"}, "need max_sequence_length"),
        ({"block": {"depth": 3}}, r"unknown entries \['depth'\]"),
    ],
    ids=str,
)
def test_wrong_arguments_are_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        Transformer(20, hidden_dim=8, **wrong)


KINDS = {
    "sinusoidal": {},
    "rotary": {"positions": "rotary", "tie_embeddings": False},
    "separate": {
        "target_vocabulary_size": 13,
        "block": {"activation": "swiglu", "norm_first": False},
    },
}
# Target tokens of "separate" must be below 13.
TARGET[:] = TARGET % 13
GOLDEN = {
    "sinusoidal": [
        0.198420,
        0.039210,
        0.583251,
        -0.590977,
        -0.898128,
        0.177838,
        -0.658000,
        -0.246651,
    ],
    "rotary": [
        -0.164094,
        1.826341,
        -0.525779,
        0.332201,
        -2.115398,
        0.178758,
        1.364234,
        -0.665861,
    ],
    "separate": [
        1.302104,
        -0.618365,
        0.383116,
        -0.253835,
        0.348693,
        0.441082,
        -0.088416,
        -1.769247,
    ],
}
