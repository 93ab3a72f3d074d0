"""What is fed from shards is what a dataset in memory feeds."""

import keras
import numpy as np
import pytest

from keras_selfattn.data.augmentation import Augmenter
from keras_selfattn.data.shard_making import make_shards
from keras_selfattn.data.sharded_speech import ShardedSpeech
from keras_selfattn.data.shards import ShardedCorpus
from keras_selfattn.data.speech_dataset import SpeechDataset
from keras_selfattn.preprocessing.tokenizers import CharacterTokenizer
from tests.data.speech_corpus import write_corpus

pytest.importorskip("array_record")
SIZES = {"batch_seconds": 4.0, "max_seconds": 1.3, "progress": None}


@pytest.fixture
def examples(tmp_path):
    return write_corpus(tmp_path / "sounds", 24)


@pytest.fixture
def corpora(examples, tmp_path):
    settings = {"sound": "flac", "sampling_rate_hz": 16000}
    make_shards(tmp_path / "out", "speech", examples, settings, 7)
    return [ShardedCorpus(tmp_path / "out")]


def rows_of(dataset):
    """Each utterance of an epoch: its text, and its samples."""
    found = {}
    for i in range(len(dataset)):
        inputs, tokens = dataset[i]
        lengths = inputs["num_samples"]
        for samples, length, ids in zip(inputs["samples"], lengths, tokens):
            found[tuple(ids[ids > 0])] = samples[:length]
            assert not samples[length:].any()
    return found


def test_utterances_are_those_of_a_dataset_in_memory(examples, corpora):
    tokenizer = CharacterTokenizer()
    memory = SpeechDataset(examples, tokenizer, **SIZES)
    sharded = ShardedSpeech(corpora, tokenizer, **SIZES)
    assert sharded.num_examples == memory.num_examples < 24
    assert sharded.dropped == {
        why: len(found) for why, found in memory.dropped.items()
    }
    expected, found = rows_of(memory), rows_of(sharded)
    assert set(found) == set(expected) and len(found) == memory.num_examples
    for key, samples in expected.items():
        np.testing.assert_array_equal(found[key], samples)
    assert sharded.padded_seconds == memory.padded_seconds
    # One shape of tokens for a shape of samples.
    shapes = {sharded[i][0]["samples"].shape[1] for i in range(len(sharded))}
    both = {
        (sharded[i][0]["samples"].shape[1], sharded[i][1].shape[1])
        for i in range(len(sharded))
    }
    assert len(shapes) == len(both)


def test_augmented_epochs_repeat_exactly(corpora):
    augmenter = Augmenter(speeds=(0.9, 1.0, 1.1))

    def made():
        dataset = ShardedSpeech(
            corpora,
            CharacterTokenizer(),
            augmenter=augmenter,
            augment_from_epoch=1,
            **SIZES,
        )
        dataset.set_epoch(1)
        return dataset

    first = rows_of(made())
    again = rows_of(made())
    for key, samples in first.items():
        np.testing.assert_array_equal(again[key], samples)
    plain = made()
    plain.set_epoch(0)
    lengths = {key: len(samples) for key, samples in rows_of(plain).items()}
    assert lengths != {key: len(samples) for key, samples in first.items()}


def test_a_share_without_a_row_is_a_batch_of_none(corpora):
    dataset = ShardedSpeech(corpora, CharacterTokenizer(), **SIZES)
    length = dataset[0][0]["samples"].shape[1]
    dataset.shard(99, 100)
    inputs, tokens = dataset[0]
    assert inputs["samples"].shape == (0, length) and len(tokens) == 0


def test_one_utterance_is_read_by_its_number(corpora):
    dataset = ShardedSpeech(corpora, CharacterTokenizer(), **SIZES)
    number = int(dataset.batch(0).numbers[0])
    samples = dataset.samples(number)
    np.testing.assert_array_equal(
        dataset[0][0]["samples"][0, : len(samples)], samples
    )


@pytest.mark.backend
def test_fit_takes_it_and_sees_every_row(corpora):
    """On each backend, with background threads."""
    inputs = {
        "samples": keras.Input((None,), name="samples"),
        "num_samples": keras.Input((), dtype="int32", name="num_samples"),
    }
    mean = keras.ops.mean(inputs["samples"], axis=1, keepdims=True)
    model = keras.Model(inputs, keras.layers.Dense(1)(mean))

    def loss(y, p):
        return keras.ops.mean(p, axis=-1)

    model.compile("sgd", loss=loss)
    dataset = ShardedSpeech(corpora, CharacterTokenizer(), workers=2, **SIZES)
    dataset.set_epoch(1, first_batch=1)
    history = model.fit(dataset.for_backend(), shuffle=False, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert int(model.optimizer.iterations) == len(dataset)
