import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.models import TextEncoder
from keras_selfattn.tasks import MaskedLM, TextClassifier
from keras_selfattn.tasks.pretrained_classifier import (
    pretrained_classifier,
)
from keras_selfattn.tasks.task import Task
from keras_selfattn.weight_copies import copy_weights
from tests.arrays import to_numpy
from tests.tiny_classifier import build

CHECKPOINTS = "tests/golden/checkpoints"


@pytest.fixture(scope="module")
def checkpoint(repository):
    return zoo.load(repository / CHECKPOINTS / "bert")


def test_its_tokenizer_and_hidden_states_are_the_checkpoints(checkpoint):
    task = pretrained_classifier(
        checkpoint, ["a", "b"], encoder_dropout=0.5, pooling="mean"
    )
    text = "The cat\u00e9 sat, unseen!"
    assert task.tokenizer.encode(text) == checkpoint.tokenizer.encode(text)
    ids = task.tokenizer.batch([text])["token_ids"]
    theirs = checkpoint.encoder(
        {
            "token_ids": ids,
            "padding_mask": ids > 0,
            "segment_ids": np.zeros_like(ids),
        }
    )["hidden"]
    ours = task.encoder(
        {
            "token_ids": ids,
            "padding_mask": ids > 0,
            "segment_ids": np.zeros_like(ids),
        }
    )
    np.testing.assert_array_equal(to_numpy(ours["hidden"]), to_numpy(theirs))
    assert not task.encoder.pooler and task.encoder.dropout == 0.5
    assert checkpoint.encoder.dropout != 0.5


def test_a_pair_is_read_with_its_segments():
    task = build(pooling="mean")
    pair = ("the cat", "a dog ran")
    (ids,) = task.tokenizer.batch([pair])["token_ids"]
    first, second = map(task.tokenizer.encode, pair)
    assert ids.tolist() == [*first, *second[1:]]
    kinds = [0] * len(first) + [1] * (len(second) - 1)
    ids = np.array([[*ids, 0, 0]])
    inputs = {
        "token_ids": ids,
        "padding_mask": ids > 0,
        "segment_ids": np.array([[*kinds, 0, 0]]),
    }
    hidden = to_numpy(task.encoder(inputs)["hidden"])[0, : len(kinds)]
    kernel, bias = map(to_numpy, (task.head.kernel, task.head.bias))
    np.testing.assert_allclose(
        to_numpy(task({"token_ids": ids}))[0],
        hidden.mean(0) @ kernel + bias,
        atol=1e-5,
    )
    other = np.zeros_like(inputs["segment_ids"])
    flat = to_numpy(task.encoder({**inputs, "segment_ids": other})["hidden"])
    assert np.abs(flat[0, : len(kinds)] - hidden).max() > 0.01
    one, both = task.classify(pair), task.classify([pair, "the cat"])
    assert one.scores == pytest.approx(both[0].scores, abs=1e-5)
    assert one.known_tokens == 5 and not one.truncated


@pytest.mark.slow
def test_it_is_kept_explained_and_exported(tmp_path):
    pytest.importorskip("tensorflow", reason="the converter needs TensorFlow")
    from keras_selfattn.runtime import Classifier

    task = build()
    pair = ("the cat sat", "a dog")
    why = task.explain(pair)
    assert why.tokens == ["[CLS]", *"the cat sat [SEP] a dog [SEP]".split()]
    assert [scores.shape for scores in why.head_scores] == [(2, 8, 8)] * 2
    task.save_preset(tmp_path / "preset")
    loaded = Task.from_preset_folder(tmp_path / "preset")
    assert loaded.classify(pair).scores == pytest.approx(
        task.classify(pair).scores, abs=5e-3
    )
    loaded.export(tmp_path / "model.tflite", progress=lambda *_: None)
    device = Classifier(tmp_path / "model.tflite")
    for text in (pair, "the cat sat", ("", "a dog " * 20)):
        found, expected = device.classify(text), loaded.classify(text)
        assert found.scores == pytest.approx(expected.scores, abs=1e-4)
        assert found.truncated == expected.truncated
    tokens, weights = device.weights(pair)
    np.testing.assert_allclose(weights, why.weights, atol=5e-3)
    assert tokens == why.tokens


def test_what_does_not_fit_is_refused(repository, checkpoint):
    labels = ["a", "b"]
    roberta = zoo.load(repository / CHECKPOINTS / "roberta")
    with pytest.raises(ValueError, match="pads with id 1; a TextClassifier"):
        pretrained_classifier(roberta, labels)
    with pytest.raises(ValueError, match="max_tokens=999, but the encoder has"):
        pretrained_classifier(checkpoint, labels, max_tokens=999)
    other = TextClassifier(labels, build().tokenizer, TextEncoder(99, 8, 1, 2))
    with pytest.raises(ValueError, match="with a TextEncoder"):
        pretrained_classifier(other, labels)
    assert isinstance(checkpoint, MaskedLM)
    config = checkpoint.encoder.get_config() | {"vocabulary_size": 7}
    with pytest.raises(ValueError, match=r"token_embedding.*expected \(7, "):
        copy_weights(type(checkpoint.encoder)(**config), checkpoint.encoder)
    with pytest.raises(ValueError, match="3 texts as one"):
        build().classify([("a", "b", "c")])
