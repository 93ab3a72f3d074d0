import keras
import numpy as np
import pytest

from keras_selfattn.data.text_dataset import TextDataset
from keras_selfattn.data.text_tables import TextExample
from keras_selfattn.losses.cross_entropy import SmoothedCrossEntropy
from keras_selfattn.models import TextCNN, TextEncoder, TextRNN
from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
from keras_selfattn.tasks.text_classifier import TextClassifier
from tests.arrays import to_numpy
from tests.fixed_weights import draw_weights

TEXTS = ["a good film", "a bad film", "so good", "bad , so bad", "good"]
NAMES = ["pos", "neg", "pos", "neg", "pos"]
LABELS = ["neg", "pos"]
NGRAMS = {"orders": [1, 2], "num_buckets": 50}


def classifier(ngrams=None, encoder=None, **options):
    tokenizer = TextTokenizer.build(TEXTS, ngrams=ngrams, max_tokens=24)
    if encoder is None:
        encoder = TextEncoder(
            tokenizer.vocabulary_size, 8, 1, 2, 16, dropout=0.0
        )
    return TextClassifier(LABELS, tokenizer, encoder, **options)


@pytest.mark.backend
def test_overfits_one_batch_and_explains_itself(tmp_path):
    keras.utils.set_random_seed(0)
    task = classifier(NGRAMS, dropout=0.0, ngram_dropout=0.0)
    task.compile(keras.optimizers.Adam(0.02))
    inputs = task.tokenizer.batch(TEXTS)
    history = task.fit(
        inputs, task.label_ids(NAMES), batch_size=5, epochs=60, verbose=0
    ).history
    assert history["loss"][0] > 0.5
    assert history["loss"][-1] < 0.05
    assert history["accuracy"][-1] == 1.0
    # One and a list, in one run and one by one: the same labels and scores.
    found = task.classify(TEXTS)
    assert [answer.label for answer in found] == NAMES
    assert task.classify(TEXTS[1]).label == "neg"
    np.testing.assert_allclose(
        task.log_probabilities(TEXTS, batch_size=1),
        task.log_probabilities(TEXTS),
        atol=1e-4,
    )
    why = task.explain("so good", tmp_path / "why.html")
    assert why.classification.label == "pos"
    assert why.tokens == ["so", "good"]
    assert why.weights.sum() == pytest.approx(1, abs=1e-5)
    assert why.head_scores[0].shape == (2, 2, 2)
    assert "good" in (tmp_path / "why.html").read_text()


@pytest.mark.backend
def test_fit_takes_batches_by_length_weights_and_soft_targets():
    examples = [
        TextExample(text * (i + 1), name, "train")
        for i, (text, name) in enumerate(zip(TEXTS, NAMES))
    ]
    task = classifier(word_dropout=0.3)
    soft = np.full((5, 2), 0.5, "float32")
    for options in ({}, {"soft_targets": soft, "sample_weights": np.ones(5)}):
        metrics = [] if options else None
        task.compile("sgd", label_smoothing=0.1, metrics=metrics)
        dataset = TextDataset(
            examples, task.tokenizer, LABELS, batch_size=2, **options
        )
        history = task.fit(
            dataset.for_backend(),
            shuffle=False,
            verbose=0,
            class_weight=None if options else {0: 1.0, 1: 2.0},
        )
        assert np.isfinite(history.history["loss"]).all()


def test_padding_changes_nothing():
    for encoder in (TextCNN, TextRNN):
        size = TextTokenizer.build(TEXTS).vocabulary_size
        task = classifier(
            NGRAMS,
            encoder(size, 8),
            pooling=["attention", "mean", "max"],
        )
        draw_weights(task)
        narrow = task.tokenizer.batch(TEXTS[:1])
        wide = {
            name: np.pad(ids, [(0, 0), (0, 5)]) for name, ids in narrow.items()
        }
        np.testing.assert_allclose(
            to_numpy(task(wide)), to_numpy(task(narrow)), atol=1e-5
        )


def test_the_ngrams_count():
    task = draw_weights(classifier(NGRAMS))
    inputs = task.tokenizer.batch(TEXTS[:1])
    before = to_numpy(task(inputs))
    inputs["ngram_ids"] = inputs["ngram_ids"] % 50 + 1
    assert np.abs(to_numpy(task(inputs)) - before).max() > 1e-3
    fresh = classifier(NGRAMS).get_layer("ngram_embedding")
    assert not to_numpy(fresh.embeddings.value).any()


@pytest.mark.parametrize(
    "text, counts",
    [
        ("", (0, 0, False)),
        ("\u4e00\u4e01 xyz", (2, 0, False)),
        ("good " * 100_000, (100_000, 24, True)),
        ("caf\ufffd \udce9 good", (2, 1, False)),
    ],
    ids=["empty", "unknown", "100000_words", "not_utf_8"],
)
def test_any_text_has_an_answer(text, counts):
    found = classifier().classify(text)
    assert (found.num_tokens, found.known_tokens, found.truncated) == counts
    assert sum(found.scores.values()) == pytest.approx(1)


def test_only_stop_words_are_no_text():
    tokenizer = TextTokenizer.build(TEXTS, stop_words=["a", "so"])
    task = TextClassifier(LABELS, tokenizer)
    assert task.classify("so a SO").known_tokens == 0
    assert task.classify([]) == []
    assert task.log_probabilities([]).shape == (0, 2)


def test_progress_is_told():
    calls = []
    classifier().classify(TEXTS, 2, lambda *call: calls.append(call))
    assert calls == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.backend
def test_keras_file_round_trip(tmp_path):
    task = draw_weights(classifier(NGRAMS, pooling=["attention", "max"]))
    task.compile("adam", label_smoothing=0.2)
    task.save(tmp_path / "task.keras")
    loaded = keras.models.load_model(tmp_path / "task.keras")
    assert isinstance(loaded, TextClassifier)
    assert loaded.task_config() == task.task_config()
    np.testing.assert_allclose(
        loaded.log_probabilities(TEXTS),
        task.log_probabilities(TEXTS),
        atol=1e-6,
    )
    assert loaded.loss.label_smoothing == 0.2


def test_a_preset_comes_back(tmp_path):
    size = TextTokenizer.build(TEXTS).vocabulary_size
    encoder = TextCNN(size, 8, embedding_dim=4, fixed_dim=3)
    task = classifier(NGRAMS, encoder)
    task.set_word_vectors(np.ones((size, 3)))
    task.save_preset(tmp_path, description="x")
    loaded = TextClassifier.from_preset_folder(tmp_path)
    assert loaded.task_config() == task.task_config()
    assert len(loaded.trainable_variables) == len(task.trainable_variables)
    np.testing.assert_allclose(
        loaded.log_probabilities(TEXTS),
        task.log_probabilities(TEXTS),
        atol=5e-3,
    )


def test_what_does_not_fit_is_refused():
    tokenizer = TextTokenizer.build(TEXTS)
    for labels in (["one"], ["x", "x"], []):
        with pytest.raises(ValueError, match="two classes or more"):
            TextClassifier(labels, tokenizer)
    with pytest.raises(ValueError, match="The encoder knows 3 token ids"):
        TextClassifier(LABELS, tokenizer, TextCNN(3, 8))
    with pytest.raises(ValueError, match="pooling='sum' is unknown"):
        classifier(pooling="sum")
    with pytest.raises(ValueError, match="pooling='mean' has no weights"):
        classifier(pooling="mean").explain("good")
    with pytest.raises(ValueError, match="No class is called 'other'"):
        classifier().label_ids(["pos", "other"])
    with pytest.raises(ValueError, match="for the default loss"):
        classifier().compile(loss=SmoothedCrossEntropy(), label_smoothing=0.1)
    with pytest.raises(ValueError, match="received bytes"):
        classifier().classify([b"good"])
