import keras
import numpy as np
import pytest

from keras_selfattn.training.fine_tuning import (
    freeze,
    layer_scales,
    size_scales,
    variables_at,
)
from keras_selfattn.training.guarded_adamw import GuardedAdamW
from tests.arrays import to_numpy
from tests.tiny_classifier import INPUTS, TARGETS, build


def test_patterns_find_variables_and_say_what_there_is():
    model = build()
    found = [v.path for v in variables_at(model, [r"block_\d/.*query/kernel"])]
    assert found == [f"block_{i}/attention/query/kernel" for i in (0, 1)]
    with pytest.raises(ValueError, match="'blocks' in its path; there are"):
        variables_at(model, ["query", "blocks"])
    with pytest.raises(ValueError, match=r"'\(' is no regular expression"):
        freeze(model, "(")


def test_what_is_frozen_stays_and_the_rest_learns():
    model = build()
    count = freeze(model, ["token_embedding", "block_0/"])
    frozen = [v for v in model.weights if not v.trainable]
    assert count == sum(np.prod(v.shape) for v in frozen)
    before = {v.path: to_numpy(v.value).copy() for v in model.weights}
    model.compile(GuardedAdamW(0.01, weight_decay=0.1))
    model.fit(INPUTS, TARGETS, verbose=0)
    for variable in model.weights:
        same = (to_numpy(variable.value) == before[variable.path]).all()
        still = ("token_embedding", "block_0/")
        assert same == variable.path.startswith(still), variable.path


def test_lower_layers_have_lower_rates():
    model = build()
    freeze(model, "segment_embedding")
    scales = layer_scales(model, 0.5)
    assert scales["block_1/feed_forward/expand/bias"] == 0.5
    assert scales["block_0/attention/query/kernel"] == 0.25
    for path in ("token_embedding/embeddings", "embedding_norm/gamma"):
        assert scales[path] == 0.125
    assert scales["positions/embeddings"] == 0.125
    assert not [p for p in scales if p.startswith(("class_head", "attention"))]
    assert "segment_embedding/embeddings" not in scales
    GuardedAdamW(0.01, scales).build(model.trainable_variables)
    assert layer_scales(model, 1.0) == {}
    with pytest.raises(ValueError, match="decay=1.5 must be"):
        layer_scales(model, 1.5)
    with pytest.raises(ValueError, match="this model has none"):
        layer_scales(keras.Sequential([keras.layers.Dense(1)]), 0.5)


def test_a_rate_may_be_a_share_of_the_size():
    """The first step of Adam, whose size is the rate: 1 % of each matrix."""
    model = build()
    before = {v.path: to_numpy(v.value).copy() for v in model.weights}
    scales = size_scales(model, of_zeros=0.5)
    for variable in model.trainable_variables:
        size = np.sqrt((before[variable.path] ** 2).mean())
        assert scales[variable.path] == pytest.approx(size or 0.5, rel=1e-5)
    model.compile(GuardedAdamW(0.01, learning_rate_scales=scales))
    model.fit(INPUTS, TARGETS, epochs=1, batch_size=len(TARGETS), verbose=0)
    path = "block_0/attention/value/kernel"
    (kernel,) = (v for v in model.weights if v.path == path)
    change = np.abs(to_numpy(kernel.value) - before[path]).max()
    assert change == pytest.approx(0.01 * scales[path], rel=0.02)
    with pytest.raises(ValueError, match="of_zeros=0 must be above 0"):
        size_scales(model, 0)
