"""KerasHub's backbones against themselves; its package is seldom there."""

import importlib.util

import numpy as np
import pytest

from keras_selfattn.convert.keras_hub import BACKBONES, from_keras_hub
from keras_selfattn.convert.tensor_table import rows_of
from keras_selfattn.models import BertEncoder
from keras_selfattn.models.causal_transformer import CausalTransformer
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

SIZES = {
    "vocabulary_size": 30,
    "num_layers": 2,
    "num_heads": 5,
    "hidden_dim": 20,
    "intermediate_dim": 24,
    "max_sequence_length": 12,
}


class Variable:
    """What is asked of a Keras variable."""

    def __init__(self, path, array):
        self.path, self.array = path, array

    def __array__(self, dtype=None, copy=None):
        return self.array


class GPT2Backbone:
    """A stand-in for that of KerasHub: its sizes and its weights."""

    def __init__(self, model):
        for name in ("vocabulary_size", "hidden_dim", "num_layers"):
            setattr(self, name, getattr(model, name))
        self.num_heads, self.dropout = model.num_heads, 0.1
        self.intermediate_dim = model.intermediate_dim
        self.max_sequence_length = model.max_sequence_length
        ours = {v.path: to_numpy(v.value) for v in model.weights}
        self.weights = []
        for row in rows_of(BACKBONES["GPT2Backbone"].rows, model.num_layers):
            array = ours[row.parts[0]]
            parts = (self.num_heads, -1)
            if row.theirs.endswith("attention_output/kernel"):
                array = array.reshape(*parts, array.shape[1])
            elif row.theirs.split("/")[-2] in ("query", "key", "value"):
                array = array.reshape(*array.shape[:-1], *parts)
            self.weights.append(Variable(row.theirs, array))


def causal(**changed):
    return draw_weights(CausalTransformer(**{**SIZES, **changed}))


def test_heads_become_one_axis():
    model = causal(positions="learned")
    found = from_keras_hub(GPT2Backbone(model))
    ids = np.random.default_rng(0).integers(0, 30, (2, 9)).astype("int32")
    np.testing.assert_array_equal(to_numpy(found(ids)), to_numpy(model(ids)))


def test_what_the_table_does_not_name_is_refused():
    backbone = GPT2Backbone(causal())
    backbone.weights.pop()
    backbone.weights.append(Variable("adapter/kernel", np.zeros((2, 2))))
    with pytest.raises(ValueError, match="missing layer_norm/beta; left over"):
        from_keras_hub(backbone)
    with pytest.raises(ValueError, match="DistilBertBackbone.*received a list"):
        from_keras_hub([])


@pytest.mark.parametrize("kind", sorted(BACKBONES))
def test_a_table_names_every_variable_once(kind):
    found = BACKBONES[kind]
    cls = CausalTransformer if found.ours == "causal" else BertEncoder
    model = cls(**SIZES, **found.fixed)
    ours = [row.parts[0] for row in rows_of(found.rows, 2)]
    assert len(set(ours)) == len(ours)
    assert set(ours) == {variable.path for variable in model.weights}


@pytest.mark.proof
@pytest.mark.backend
@pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="needs keras-hub: pip install keras-hub",
)
@pytest.mark.parametrize("kind", sorted(BACKBONES))
def test_equals_keras_hub(kind):
    import keras_hub

    backbone = draw_weights(getattr(keras_hub.models, kind)(**SIZES))
    model = from_keras_hub(backbone)
    random = np.random.default_rng(0)
    ids = random.integers(1, 30, (2, 9)).astype("int32")
    mask = np.ones((2, 9), bool)
    mask[1, 5:] = False
    inputs = {"token_ids": ids, "padding_mask": mask}
    if kind == "BertBackbone":
        inputs["segment_ids"] = random.integers(0, 2, (2, 9)).astype("int32")
    found = backbone({**inputs, "padding_mask": mask.astype("int32")})
    if kind == "BertBackbone":
        pooled = to_numpy(model(inputs)["pooled"])
        np.testing.assert_allclose(
            pooled, to_numpy(found["pooled_output"]), atol=1e-4
        )
        found = found["sequence_output"]
    if kind == "GPT2Backbone":
        _, hidden, _ = model.decode_step(ids, 0, model.caches(2, 9))
    else:
        hidden = model(inputs)["hidden"]
    found = to_numpy(found)[mask]
    assert np.abs(found).max() > 1
    np.testing.assert_allclose(to_numpy(hidden)[mask], found, atol=1e-4)
