import numpy as np
import pytest

from keras_selfattn.runtime import ModelError, Transcriber
from keras_selfattn.runtime.whisper_transcriber import (
    WhisperTranscriber,
    open_transcriber,
)
from tests.whisper_examples import sounds


def test_says_what_keras_says(exported_whisper):
    task, path, _ = exported_whisper
    transcriber = open_transcriber(path)
    assert isinstance(transcriber, WhisperTranscriber)
    long = np.concatenate(list(sounds(3)))
    done = []
    for samples in (long, long[:700], long[:1600]):
        found = transcriber.transcribe(samples, lambda *x: done.append(x))
        expected = task.transcribe(samples, details=True)
        assert found.text == expected["text"] != ""
        assert found.token_ids == expected["token_ids"]
        assert found.words == [] and found.confidence is None
        assert found.duration_s == len(samples) / 16000
    assert done[-1] == (0.1, 0.1)


def test_other_files_and_searches_are_refused(exported_whisper, repository):
    _, path, _ = exported_whisper
    other = repository / "tests" / "golden" / "tiny_asr"
    assert isinstance(open_transcriber(other), Transcriber)
    with pytest.raises(ModelError, match="no Whisper: its metadata lacks"):
        WhisperTranscriber(other)
    with pytest.raises(ModelError, match="no speech recogniser"):
        Transcriber(path)
    with pytest.raises(ValueError, match="searches by itself"):
        open_transcriber(path).transcribe(sounds(1)[0], search=object())
