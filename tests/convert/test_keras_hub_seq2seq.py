"""T5 and Whisper of KerasHub against themselves; its package is seldom there.

Its T5 has variables that share a path, which are told apart by the layers that
hold them; the stand-in here has the same.
"""

import importlib.util
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_selfattn.convert.keras_hub import from_keras_hub
from keras_selfattn.convert.keras_hub_seq2seq import (
    hub_whisper_rows,
    t5_rows,
)
from keras_selfattn.models import T5, Whisper
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

SIZES = {
    "vocabulary_size": 30,
    "num_layers": 2,
    "num_heads": 5,
    "hidden_dim": 20,
    "intermediate_dim": 24,
}
WHISPER = {"max_frames": 10, "max_sequence_length": 12, "num_mel_bins": 8}
random = np.random.default_rng(0)
SOURCE = random.integers(1, 30, (2, 9)).astype("int32")
TARGET = random.integers(1, 30, (2, 6)).astype("int32")
MASK = np.arange(9) < np.array([[9], [5]])
FEATURES = random.normal(size=(2, 20, 8)).astype("float32")


class Variable:
    """What is asked of a Keras variable."""

    def __init__(self, path, array):
        self.path, self.array = path, array

    def __array__(self, dtype=None, copy=None):
        return self.array


class T5Backbone:
    """A stand-in for that of KerasHub: its sizes, layers and weights."""

    layer_norm_epsilon, key_value_dim, dropout = 1e-6, 3, 0.1
    activation = staticmethod(keras.activations.relu)

    def __init__(self, model, gated):
        for name, value in SIZES.items():
            setattr(self, name, value)
        self.use_gated_activation = gated
        self.tie_embedding_weights = model.tie_embeddings
        ours = {v.path: to_numpy(v.value) for v in model.weights}
        self.weights, named = [], {}
        for row in t5_rows(2, gated):
            if row.parts[0] in ours:
                path = row.theirs
                if path.endswith("relative_bias"):
                    path = "self_attention/embeddings"
                elif path.endswith("layer_norm/weight") and path[0] == "t":
                    path = "some_layer/t5_layer_norm_9/weight"
                variable = Variable(path, ours[row.parts[0]])
                named[row.theirs] = variable
                self.weights.append(variable)
        for side in ("encoder", "decoder"):
            bias = named[f"{side}/relative_bias"]
            layers = []
            for i in range(2):
                layer = SimpleNamespace(
                    name=f"transformer_{side}_layer_{i}",
                    self_attention=SimpleNamespace(
                        relative_attention_bias=bias
                    ),
                )
                for path, variable in named.items():
                    place, _, norm = path.removesuffix("/weight").rpartition(
                        "/"
                    )
                    if place == layer.name and norm.endswith("layer_norm"):
                        setattr(layer, norm, SimpleNamespace(weight=variable))
                layers.append(layer)
            setattr(self, f"{side}_transformer_layers", layers)


def t5(gated=True, tied=True):
    activation = "reglu" if gated else "relu"
    return draw_weights(
        T5(
            **SIZES,
            head_dim=3,
            activation=activation,
            tie_embeddings=tied,
            name="transformer",
        )
    )


def t5_inputs():
    return {
        "source_ids": SOURCE,
        "source_padding_mask": MASK,
        "target_ids": TARGET,
    }


@pytest.mark.parametrize("gated, tied", [(True, False), (False, True)])
def test_norms_and_biases_are_told_apart_by_their_layers(gated, tied):
    model = t5(gated, tied)
    found = from_keras_hub(T5Backbone(model, gated))
    np.testing.assert_array_equal(
        to_numpy(found(t5_inputs())), to_numpy(model(t5_inputs()))
    )


def test_what_does_not_fit_is_refused():
    backbone = T5Backbone(t5(), True)
    backbone.weights.pop()
    backbone.weights.append(Variable("adapter/kernel", np.zeros((2, 2))))
    with pytest.raises(ValueError, match="missing decoder_.*; left over ad"):
        from_keras_hub(backbone)
    backbone.activation = keras.activations.tanh
    with pytest.raises(ValueError, match="activation 'tanh'; we have relu"):
        from_keras_hub(backbone)


def test_a_table_names_every_variable_once():
    for model, rows, without in (
        (t5(tied=False), t5_rows(2, True), "none"),
        (Whisper(**SIZES, **WHISPER), hub_whisper_rows(2), "/key/bias"),
    ):
        ours = [row.parts[0] for row in rows]
        assert len(set(ours)) == len(ours)
        paths = {v.path for v in model.weights}
        assert set(ours) == {p for p in paths if not p.endswith(without)}


needs_keras_hub = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None,
    reason="needs keras-hub: pip install keras-hub",
)


@pytest.mark.proof
@pytest.mark.backend
@needs_keras_hub
@pytest.mark.parametrize(
    "options",
    [
        {"activation": "relu", "use_gated_activation": False},
        {"activation": "gelu", "tie_embedding_weights": False},
        {"activation": "silu", "key_value_dim": 3},
    ],
    ids=str,
)
def test_t5_equals_keras_hub(options):
    import keras_hub

    backbone = keras_hub.models.T5Backbone(**SIZES, **options)
    for i, variable in enumerate(backbone.weights):
        # Not by path, as `draw_weights` does: two have one.
        drawn = np.random.default_rng(i).normal(size=variable.shape)
        one = "norm" in variable.path
        variable.assign(0.3 * drawn + one)
    model = from_keras_hub(backbone)
    mask = np.ones_like(TARGET)
    found = backbone(
        {
            "encoder_token_ids": SOURCE,
            "encoder_padding_mask": MASK.astype("int32"),
            "decoder_token_ids": TARGET,
            "decoder_padding_mask": mask,
        }
    )
    hidden = to_numpy(model.encode(SOURCE, MASK))[MASK]
    expected = to_numpy(found["encoder_sequence_output"])[MASK]
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(hidden, expected, atol=1e-4)
    outputs = found["decoder_sequence_output"]
    expected = to_numpy(backbone.token_embedding(outputs, reverse=True))
    if backbone.tie_embedding_weights:
        expected = expected * 20**-0.5
    np.testing.assert_allclose(
        to_numpy(model(t5_inputs())), expected, atol=2e-4
    )


@pytest.mark.proof
@pytest.mark.backend
@needs_keras_hub
def test_whisper_equals_keras_hub():
    import keras_hub

    backbone = draw_weights(
        keras_hub.models.WhisperBackbone(
            **SIZES,
            num_mels=8,
            max_encoder_sequence_length=20,
            max_decoder_sequence_length=12,
        )
    )
    model = from_keras_hub(backbone)
    found = backbone(
        {
            "encoder_features": FEATURES,
            "decoder_token_ids": TARGET,
            "decoder_padding_mask": np.ones_like(TARGET),
        }
    )
    expected = to_numpy(found["encoder_sequence_output"])
    assert np.abs(expected).max() > 1
    np.testing.assert_allclose(
        to_numpy(model.encode(FEATURES)), expected, atol=1e-4
    )
    outputs = found["decoder_sequence_output"]
    expected = to_numpy(backbone.token_embedding(outputs, reverse=True))
    inputs = {"features": FEATURES, "token_ids": TARGET}
    np.testing.assert_allclose(to_numpy(model(inputs)), expected, atol=2e-4)
