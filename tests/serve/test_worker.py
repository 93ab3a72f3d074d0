import numpy as np
import pytest

from keras_selfattn.runtime import Classifier, Transcriber, Translator
from keras_selfattn.serve.served_models import open_models
from keras_selfattn.serve.worker import Answerer, upload_folder
from tests.command_line import TINY, TINY_TEXT, TINY_TRANSLATION
from tests.serve_client import PRESETS, SAMPLE, wav


@pytest.fixture(scope="module")
def answerer():
    found = Answerer(open_models(PRESETS), max_audio_seconds=30)
    found.open_all()
    return found


def test_it_answers_as_the_runtime_does(answerer, tmp_path):
    path = tmp_path / "upload"
    path.write_bytes(SAMPLE)
    status, heard = answerer.answer("tiny_asr", {"path": str(path)})
    assert status == 200
    assert heard["text"] == Transcriber(TINY).transcribe(path).text
    texts = ["seven three nine", "", "nine five"]
    status, found = answerer.answer("tiny_translation", {"texts": texts})
    assert status == 200
    translator = Translator(TINY_TRANSLATION)
    assert [line["text"] for line in found["translations"]] == [
        translator.translate(text).text for text in texts
    ]
    asked = {"texts": ["a funny film"], "attention": True}
    status, found = answerer.answer("tiny_text", asked)
    (entry,) = found["classifications"]
    classifier = Classifier(TINY_TEXT)
    assert entry["label"] == classifier.classify("a funny film").label
    tokens, weights = classifier.weights("a funny film")
    assert [w["token"] for w in entry["attention"]] == tokens
    np.testing.assert_allclose(
        [w["weight"] for w in entry["attention"]], weights, rtol=1e-6
    )


def test_an_alignment_is_given_where_it_is_asked_for(answerer):
    asked = {"texts": ["seven three"], "alignment": True}
    _, found = answerer.answer("tiny_translation", asked)
    drawn = found["translations"][0]["alignment"]
    assert len(drawn["weights"]) == len(drawn["target"])


def test_what_is_wrong_with_a_recording_is_said_without_its_path(
    answerer, tmp_path
):
    path = tmp_path / "upload"
    for content, status in (
        (b"no sound", 400),
        (b"", 400),
        (SAMPLE[:1000], 400),
        (b"RIFF\xff\xff\xff\xffWAVEfmt ", 400),
        (wav(np.zeros(31 * 8000), 8000), 413),
    ):
        path.write_bytes(content)
        found, sentence = answerer.answer("tiny_asr", {"path": str(path)})
        assert found == status, sentence
        assert sentence.startswith("file: ") and str(tmp_path) not in sentence


def test_a_mistake_of_ours_is_told_to_the_log_alone(answerer, capsys):
    status, sentence = answerer.answer("tiny_text", {"texts": None})
    assert status == 500
    assert "TypeError" not in sentence
    assert "TypeError" in capsys.readouterr().err


def test_recordings_lie_in_a_folder_that_goes():
    with upload_folder() as folder:
        assert "keras-selfattn-" in folder
    with pytest.raises(FileNotFoundError):
        open(f"{folder}/any")
