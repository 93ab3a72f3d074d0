import keras
import numpy as np
import pytest
from keras import ops

from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.tasks.foreign_encoder import encode, segments
from keras_selfattn.tasks.task import from_config, to_config
from keras_selfattn.tasks.text_classifier import TextClassifier
from tests.arrays import to_numpy

pytestmark = pytest.mark.backend

IDS = np.array([[2, 3, 0]], "int32")


def backbone(output="sequence_output", extra=None):
    """A functional model with the inputs and outputs of KerasHub's BERT."""
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("token_ids", "segment_ids", "padding_mask", extra)
        if name
    }
    x = keras.layers.Embedding(6, 4, name="tokens")(inputs["token_ids"])
    x = x + keras.layers.Embedding(2, 4, name="segments")(inputs["segment_ids"])
    mask = ops.cast(inputs["padding_mask"], x.dtype)
    x = x * ops.expand_dims(mask, -1)
    outputs = {"pooled_output": x[:, 0]}
    outputs[output] = x
    return keras.Model(inputs, outputs if output else x, name="backbone")


def test_inputs_are_given_by_name_in_their_types():
    found = to_numpy(encode(backbone(), IDS, IDS != 0))
    assert found.shape == (1, 3, 4)
    assert not found[0, 2].any()
    plain = keras.Sequential([keras.layers.Embedding(6, 4)])
    plain.build((None, None))
    assert encode(plain, IDS, IDS != 0).shape == (1, 3, 4)


def test_segments_change_behind_the_first_end_and_end_with_the_text():
    ids = np.array([[2, 3, 5, 2, 5, 5, 0], [2, 5, 0, 0, 0, 0, 0]], "int32")
    found = to_numpy(segments(ids, ids != 0, end_id=5))
    expected = [[0, 0, 0, 1, 1, 1, 0], [0] * 7]
    np.testing.assert_array_equal(found, expected)
    encoder = backbone()
    given, none = (
        to_numpy(encode(encoder, ids, ids != 0, kinds))
        for kinds in (found, None)
    )
    changed = (given != none).any(-1)
    np.testing.assert_array_equal(changed, np.array(expected) > 0)


def test_what_does_not_follow_the_rule_is_refused():
    with pytest.raises(ValueError, match="knows no position_ids"):
        encode(backbone(extra="position_ids"), IDS, IDS != 0)
    with pytest.raises(ValueError, match=r"gives \['other', 'pooled_output'\]"):
        encode(backbone("other"), IDS, IDS != 0)
    with pytest.raises(ValueError, match="must be a functional Keras model"):
        encode(keras.layers.Dense(3), IDS, IDS != 0)
    ids = keras.Input((None,), dtype="int32")
    pooled = keras.layers.Embedding(6, 4)(ids)[:, 0]
    with pytest.raises(ValueError, match="a vector a token"):
        encode(keras.Model(ids, pooled), IDS, IDS != 0)


def test_a_classifier_takes_it_saves_it_and_finds_it_again(tmp_path):
    tokenizer = TextTokenizer(["<padding>", "<unknown>", "a", "b"])
    task = TextClassifier(["x", "y"], tokenizer, backbone(), dropout=0.0)
    again = from_config(to_config(task.encoder), name="encoder")
    assert set(again.input) == set(task.encoder.input)
    task.save_preset(tmp_path / "preset")
    loaded = TextClassifier.from_preset_folder(tmp_path / "preset")
    np.testing.assert_allclose(
        loaded.log_probabilities(["a b", "b"]),
        task.log_probabilities(["a b", "b"]),
        atol=1e-3,
    )
