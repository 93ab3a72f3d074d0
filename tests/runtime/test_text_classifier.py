"""`Classifier`: labels of an exported file, without Keras."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from keras_selfattn.export import metadata
from keras_selfattn.runtime import Classifier, ModelError, PresetError

GOLDEN = Path(__file__).parents[1] / "golden"
TINY = GOLDEN / "tiny_text"
WITHOUT_KERAS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED = {"keras", "tensorflow", "torch", "jax", "safetensors", "jieba",
           "sentencepiece", "soundfile", "matplotlib", "typer", "rich"}
sys.meta_path.insert(0, Blocked())
from keras_selfattn.runtime import Classifier
print(Classifier(sys.argv[1]).classify(sys.argv[2]).label)
"""


@pytest.fixture(scope="module")
def classifier():
    return Classifier(TINY)


def copy_with(tmp_path, **entries):
    """Return a copy of the small model with changed metadata."""
    path = Path(shutil.copy(TINY / "model.tflite", tmp_path))
    found = metadata.read(path) | entries
    metadata.append(path, {k: v for k, v in found.items() if v is not None})
    return path


def test_the_sample_gives_its_reference(classifier):
    reference = json.loads((TINY / "preset.json").read_text())["reference"]
    found = classifier.classify(reference["text"])
    assert found.label == reference["label"]
    assert found.scores == pytest.approx(reference["scores"], abs=1e-5)
    again = Classifier(TINY / "model.tflite", num_threads=2)
    assert again.classify(reference["text"]).label == found.label


@pytest.mark.backend
def test_it_says_what_keras_says(classifier):
    from keras_selfattn.tasks import TextClassifier

    task = TextClassifier.from_preset_folder(TINY)
    texts = [
        "so good",
        "a long film",
        "bad<br>good !",
        "",
        "x y",
        "good " * 600,
    ]
    for text, wanted in zip(texts, task.classify(texts), strict=True):
        found = classifier.classify(text)
        assert found.label == wanted.label
        assert found.scores == pytest.approx(wanted.scores, abs=1e-4)
        assert found.known_tokens == wanted.known_tokens
        assert found.truncated == wanted.truncated


def test_it_runs_without_keras():
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, str(TINY), "so good"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert child.stdout == "good\n"


def test_weights_of_the_words_sum_to_one(classifier):
    tokens, weights = classifier.weights("a good film")
    assert tokens == ["a", "good", "film"]
    assert weights.shape == (3,)
    assert weights.sum() == pytest.approx(1, abs=1e-5)


def test_earlier_lengths_leave_nothing_behind(classifier):
    first = classifier.classify("so good").score
    for text in ("a " * 300, "", "dull and long"):
        classifier.classify(text)
    assert classifier.classify("so good").score == first


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"labels": None}, "is no text classifier: its metadata lacks labels"),
        ({"labels": ["a", "b", "c"]}, "metadata names 3 labels"),
        ({"tokenizer": {"vocabulary": ["x"]}}, "cannot be built"),
        ({"tokenizer": {"later": 1}}, "upgrade"),
        ({"attention_weights": False}, "gives"),
        ({"signature": "translate"}, "translate"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path, entries, message):
    with pytest.raises(ModelError, match=message):
        Classifier(copy_with(tmp_path, **entries))


def test_other_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match="is no text classifier"):
        Classifier(GOLDEN / "tiny_asr")
    with pytest.raises(PresetError, match="not a preset folder"):
        Classifier(tmp_path)
    with pytest.raises(ValueError, match="received bytes"):
        Classifier(TINY).classify(b"so good")
