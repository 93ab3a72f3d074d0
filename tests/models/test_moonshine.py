import json

import numpy as np
import pytest
from keras import ops

from keras_selfattn.models import Moonshine
from tests.arrays import to_numpy
from tests.moonshine_examples import SIZE, moonshine, waves
from tests.reference import rotate

LENGTHS = np.array([4000, 2700], "int32")
SAMPLES = np.zeros((2, 4000), "float32")
for _row, _wave in zip(SAMPLES, waves(LENGTHS)):
    _row[: len(_wave)] = _wave
IDS = np.random.default_rng(1).integers(0, SIZE, (2, 6)).astype("int32")


def logits(model, samples=SAMPLES, lengths=LENGTHS, ids=IDS):
    inputs = {"samples": samples, "num_samples": lengths, "token_ids": ids}
    return to_numpy(model(inputs))


@pytest.mark.slow
@pytest.mark.backend
@pytest.mark.parametrize(
    "options",
    [{}, {"num_heads": 4, "num_key_value_heads": 2, "hidden_dim": 18}],
    ids=["plain", "grouped"],
)
def test_step_by_step_equals_all_at_once(options):
    model = moonshine(**options)
    expected = logits(model)
    assert np.abs(expected).max() > 1
    hidden, mask = model.encode(SAMPLES, LENGTHS)
    context = model.context_caches(hidden)
    caches = model.self_caches(2, 7)
    first, caches = model.decode_step(IDS[:, :3], 0, caches, context, mask)
    found = [to_numpy(first)]
    for i in range(3, 6):
        step, caches = model.decode_step(
            IDS[:, i : i + 1], i, caches, context, mask
        )
        found.append(to_numpy(step))
    np.testing.assert_allclose(
        np.concatenate(found, axis=1), expected, atol=2e-5
    )


@pytest.mark.backend
def test_a_row_gives_what_it_gives_alone():
    model = moonshine()
    expected = logits(model)
    spoilt = SAMPLES.copy()
    spoilt[1, 2700:] = 7.0
    np.testing.assert_allclose(logits(model, spoilt), expected, atol=1e-5)
    alone = logits(model, SAMPLES[1:, :2700], LENGTHS[1:], IDS[1:])
    np.testing.assert_allclose(alone, expected[1:], atol=2e-5)
    hidden, mask = model.encode(SAMPLES[1:, :2700])
    assert mask is None and hidden.shape[1] == model.stem.output_length(2700)


def test_nothing_leaks_from_later_tokens_and_all_sound_counts():
    model = moonshine()
    before = logits(model)
    ids = IDS.copy()
    ids[:, 4:] = 1
    found = logits(model, ids=ids)
    np.testing.assert_allclose(found[:, :4], before[:, :4], atol=1e-5)
    changed = SAMPLES.copy()
    changed[:, :64] += 0.5
    assert np.abs(logits(model, changed) - before).min() > 0


@pytest.mark.parametrize("head_dim, fraction", [(10, 0.9), (11, 0.9), (8, 0.5)])
def test_features_turn_by_the_rates_of_the_rounded_number(head_dim, fraction):
    """Of 9 features 5 pairs turn, by rates of 9; see `_positions`."""
    model = moonshine(hidden_dim=3 * head_dim, rotary_fraction=fraction)
    part = model.get_layer("decoder_block_0").attention._part
    x = np.random.default_rng(0).normal(size=(1, 1, 6, head_dim))
    found = to_numpy(part.turn(ops.array(x, "float32")))[0, 0]
    turned = int(head_dim * fraction)
    for position in range(6):
        expected = x[0, 0, position].copy()
        for pair, i in enumerate(range(0, turned, 2)):
            angle = position * 10000.0 ** (-2 * pair / turned)
            one, other = x[0, 0, position, i : i + 2]
            expected[i] = one * np.cos(angle) - other * np.sin(angle)
            expected[i + 1] = other * np.cos(angle) + one * np.sin(angle)
        np.testing.assert_allclose(found[position], expected, atol=1e-5)
    if turned % 2 == 0:
        again = rotate(x[0, 0, 3, :turned], 3, pairs="neighbours")
        np.testing.assert_allclose(found[3, :turned], again, atol=1e-5)


def test_sizes_come_back_from_a_config():
    model = moonshine(num_key_value_heads=1, tie_embeddings=False, dropout=0.1)
    config = json.loads(json.dumps(model.get_config()))
    again = Moonshine.from_config(config)
    assert [v.path for v in again.weights] == [v.path for v in model.weights]
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(logits(again), logits(model))
    assert len(model.weights) == len(moonshine().weights) + 1
    biases = [v.path for v in model.weights if v.path.endswith("bias")]
    assert not [p for p in biases if "attention" in p]
    assert any("decoder_block_0/feed_forward/gate" in p for p in biases)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="num_layers=0"):
        Moonshine(9, 8, num_layers=0)
    with pytest.raises(ValueError, match="num_heads=3 does not divide"):
        Moonshine(9, 12, 1, 3, num_key_value_heads=2)
