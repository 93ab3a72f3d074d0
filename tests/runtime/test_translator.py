"""A translator's file, against the Keras model."""

import subprocess
import sys

import numpy as np
import pytest

from keras_selfattn.preprocessing.translation_text import EOS_ID
from keras_selfattn.runtime.model_file import ModelError
from keras_selfattn.runtime.translator import Translator
from tests.command_line import TINY_TRANSLATION
from tests.translation_examples import number_pairs

pytestmark = pytest.mark.slow  # the export takes fifteen seconds

TEXTS = [pair.source for pair in number_pairs(12, seed=4)]
TEXTS += ["", " \u3000", "nine 🎉 two", "ｏｎｅ　two", "one, two. " * 30]


WITHOUT_KERAS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in BLOCKED:
            raise ImportError(f"{name} is blocked")

BLOCKED = {"keras", "tensorflow", "torch", "jax", "safetensors",
           "sentencepiece", "soundfile", "matplotlib", "typer", "rich"}
sys.meta_path.insert(0, Blocked())
from keras_selfattn.runtime import Translator
translator = Translator(sys.argv[1])
print(translator.translate(sys.argv[2]).text)
print(translator.translate(sys.argv[2], beam=3).text)
"""


def test_runs_without_keras_and_other_packages():
    child = subprocess.run(
        [sys.executable, "-c", WITHOUT_KERAS, TINY_TRANSLATION]
        + ["seven three nine"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert child.stdout == "7 3 9\n7 3 9\n"


@pytest.fixture(scope="module")
def exported(exported_translator):
    return exported_translator


@pytest.fixture(scope="module")
def runtime(exported):
    return Translator(exported[2])


def test_the_file_is_built_in_and_writes_keras_tokens(exported):
    _, _, _, report = exported
    assert report.not_built_in == []
    assert report.equal == report.compared > 100
    assert "places hold the token that Keras writes" in str(report)
    steps = report.parts["encode, decode_step"]
    assert steps.equal == steps.compared > 1
    assert steps.max_abs_difference < 1e-4
    beams = report.parts["translate_beam"]
    assert beams.equal == beams.compared > 10
    assert report.run_seconds > 0


@pytest.mark.parametrize("beam", [1, 3, 4])
def test_translates_as_keras_token_for_token(exported, runtime, beam):
    task, pairs, _, _ = exported
    for pair in pairs:
        found = runtime.translate(pair.source, beam=beam)
        assert found.text == pair.target
        assert found.seconds > 0
    for text in TEXTS:
        expected = task.translate(text, beam=beam, details=True)
        found = runtime.translate(text, beam=beam)
        assert found.token_ids == expected["token_ids"], text
        assert found.text == expected["text"]
    assert runtime.translate("").to_dict()["token_ids"] == []


@pytest.mark.parametrize("alpha", [0.0, 1.5])
def test_the_beam_inside_writes_what_the_one_outside_does(
    exported, runtime, monkeypatch, alpha
):
    task, pairs, path, _ = exported
    texts = [pair.source for pair in pairs] + TEXTS[:8]
    inside = [runtime.translate(text, 4, alpha).token_ids for text in texts]
    assert runtime._search._beam is not None
    outside = Translator(path)
    outside.metadata.pop("beam")  # as a file of a version before
    expected = [outside.translate(text, 4, alpha).token_ids for text in texts]
    assert outside._search._beam is None
    assert inside == expected
    with pytest.raises(ValueError, match="alpha=-1"):
        runtime.translate(texts[0], 4, -1)


def test_a_file_without_the_beam_is_searched_outside():
    translator = Translator(TINY_TRANSLATION)
    assert "beam" not in translator.metadata
    assert translator.translate("seven three nine", beam=4).text == "7 3 9"


def test_a_cache_grows_as_tokens_are_written(exported, runtime, monkeypatch):
    from keras_selfattn.runtime import text_search

    expected = [runtime.translate(text, beam=3).token_ids for text in TEXTS]
    assert max(map(len, expected)) > 4
    monkeypatch.setattr(text_search, "CACHE_STEP", 2)
    found = [runtime.translate(text, beam=3).token_ids for text in TEXTS]
    assert found == expected
    places = runtime.metadata["cache_shape"][text_search.PLACES_AXIS]
    assert places is None


def test_repeats_can_be_forbidden(exported, runtime):
    task, _, _, _ = exported
    for text in TEXTS[:6]:
        expected = task.translate(text, beam=1, no_repeat_ngram=1)
        assert runtime.translate(text, no_repeat_ngram=1).text == expected


def test_the_steps_can_be_driven_from_outside(exported, runtime):
    from keras_selfattn.runtime.model_file import ModelFile

    task, pairs, path, _ = exported
    source = np.array([[5, 8, EOS_ID], [7, EOS_ID, 0]], "int32")
    encode = ModelFile(path, "encode", ["source_ids"], ["context"])
    context = encode.run_rows(source_ids=source)["context"]
    shape = runtime.metadata["cache_shape"]
    assert context.shape[0] == shape[0]
    assert context.shape[1] == 2
    assert context.shape[3] == 3


@pytest.mark.parametrize("text", [None, 3, b"one"])
def test_what_is_not_text_is_refused(runtime, text):
    with pytest.raises(ValueError, match="Expected a text"):
        runtime.translate(text)


def test_another_tasks_file_is_refused(repository, exported):
    other = repository / "tests/golden/tiny_asr/model.tflite"
    with pytest.raises(ModelError, match="is no translator"):
        Translator(other)
    with pytest.raises(ValueError, match="num_threads is 0"):
        Translator(exported[2], num_threads=0)
    with pytest.raises(ModelError, match="does not exist"):
        Translator("none.tflite")


def test_a_saved_model_translates_as_keras(exported, tmp_path):
    from keras_selfattn.export.saved_model import export_saved_model

    lines = []
    folder = tmp_path / "numbers"
    task = exported[0]
    assert export_saved_model(task, folder, lines.append) is None
    assert (folder / "saved_model.pb").is_file()
    assert "210 of 210 places hold the token that Keras writes" in lines[-1]
    tf = pytest.importorskip("tensorflow")
    run = tf.saved_model.load(str(folder)).signatures["translate_beam"]
    rows = [[7, 9, 12, EOS_ID], [5, EOS_ID, 0, 0]]
    found = run(source_ids=tf.constant(rows), alpha=tf.constant(1.0))
    expected = task.write([rows[0], rows[1][:2]], beam=4, alpha=1.0)
    for ids, score, (text, total) in zip(
        found["token_ids"].numpy(),
        found["scores"].numpy(),
        expected,
        strict=True,
    ):
        assert ids[ids != 0].tolist() == text.tolist()
        assert score == pytest.approx(total, abs=1e-4)
