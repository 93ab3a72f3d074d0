import json

import numpy as np
import pytest

from keras_selfattn.models import Whisper
from tests.arrays import to_numpy
from tests.whisper_examples import SIZE, whisper

FEATURES = np.random.default_rng(0).normal(size=(2, 10, 8)).astype("float32")
IDS = np.random.default_rng(1).integers(0, SIZE, (2, 6)).astype("int32")


def logits(model, ids=IDS, features=FEATURES):
    return to_numpy(model({"features": features, "token_ids": ids}))


@pytest.mark.backend
def test_step_by_step_equals_all_at_once():
    model = whisper()
    expected = logits(model)
    assert np.abs(expected).max() > 1
    context = model.context_caches(model.encode(FEATURES))
    caches = model.self_caches(2, 7)
    first, caches = model.decode_step(IDS[:, :3], 0, caches, context)
    found = [to_numpy(first)]
    for i in range(3, 6):
        step, caches = model.decode_step(
            IDS[:, i : i + 1], i, caches, context, np.ones((2, 5), bool)
        )
        found.append(to_numpy(step))
    np.testing.assert_allclose(
        np.concatenate(found, axis=1), expected, atol=2e-5
    )


def test_nothing_leaks_from_later_tokens_and_all_sound_counts():
    model = whisper()
    before = logits(model)
    ids = IDS.copy()
    ids[:, 4:] = 1
    np.testing.assert_allclose(
        logits(model, ids)[:, :4], before[:, :4], atol=1e-5
    )
    changed = FEATURES.copy()
    changed[:, -1] += 1
    assert np.abs(logits(model, features=changed) - before).min() > 0


def test_a_bias_of_keys_changes_nothing():
    model = whisper()
    before = logits(model)
    for variable in model.weights:
        if variable.path.endswith("/key/bias"):
            variable.assign(np.full(variable.shape, 3.0))
    np.testing.assert_allclose(logits(model), before, atol=2e-4)


def test_sizes_go_by_side_and_come_back():
    model = whisper(num_heads=(2, 3), intermediate_dim=(8, 20))
    config = json.loads(json.dumps(model.get_config()))
    again = Whisper.from_config(config)
    assert [v.path for v in again.weights] == [v.path for v in model.weights]
    again.set_weights(model.get_weights())
    np.testing.assert_array_equal(logits(again), logits(model))
    untied = whisper(tie_embeddings=False)
    assert len(untied.weights) == len(whisper().weights) + 1


@pytest.mark.parametrize("value", [0, (2,), (1, 0), "ab", None])
def test_depths_that_cannot_be_are_refused(value):
    with pytest.raises(ValueError, match="num_layers=.*a pair of them"):
        Whisper(9, 8, num_layers=value)
