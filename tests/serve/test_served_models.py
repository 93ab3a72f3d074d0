import pickle

import pytest

from keras_selfattn import zoo
from keras_selfattn.runtime import ModelError, PresetError
from keras_selfattn.serve.served_models import choose, open_models
from keras_selfattn.serve.service_error import ServiceError
from tests.command_line import TINY, TINY_TEXT
from tests.serve_client import PRESETS


@pytest.fixture(scope="module")
def models():
    return open_models(PRESETS)


def test_a_model_is_known_by_its_task_and_its_name(models):
    assert [(m.name, m.kind) for m in models] == [
        ("tiny_asr", "transcription"),
        ("tiny_translation", "translation"),
        ("tiny_text", "classification"),
        ("tiny_stream", "transcription"),
    ]
    assert [m.streams for m in models] == [False, False, False, True]
    assert pickle.loads(pickle.dumps(models)) == models


def test_an_alias_is_what_requests_call_it(home):
    (model,) = open_models(["asr"])
    assert (model.name, model.preset) == ("asr", "tiny_asr")


def test_a_file_is_served_by_its_name():
    (model,) = open_models([TINY_TEXT / "model.tflite"])
    assert (model.name, model.kind) == ("model", "classification")


def test_a_file_that_has_to_be_made_is_made_first(monkeypatch):
    """As of presets whose weights are others'."""

    def device_file(source, making):
        making(source.name)
        return source / "model.tflite"

    monkeypatch.setattr(zoo, "device_file", device_file)
    said = []
    (model,) = open_models([TINY_TEXT], said.append)
    assert model.path == str(TINY_TEXT / "model.tflite")
    assert said == ["tiny_text"]


def test_what_cannot_be_served_is_said(tmp_path):
    with pytest.raises(PresetError, match="nothing-like-it"):
        open_models(["nothing-like-it"])
    with pytest.raises(ModelError, match="twice"):
        open_models([TINY, TINY])
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(b"no model")
    with pytest.raises(ValueError, match="broken.tflite"):
        open_models([broken])


def test_a_request_names_its_model_or_takes_the_first(models):
    assert choose(models, "transcription", None).name == "tiny_asr"
    assert choose(models, "transcription", "tiny_stream").name == "tiny_stream"
    for name in ("tiny_text", "../etc/passwd", ""):
        with pytest.raises(ServiceError) as caught:
            choose(models, "transcription", name)
        assert caught.value.status == 404
        assert "tiny_asr, tiny_stream" in caught.value.message
    with pytest.raises(ServiceError, match="no model for translation"):
        choose(models[:1], "translation", None)
