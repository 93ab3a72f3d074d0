import numpy as np
import pytest

from keras_selfattn.runtime import ModelError, Transcriber
from keras_selfattn.runtime.dictation_transcriber import (
    DictationTranscriber,
    MoonshineTranscriber,
    WhisperTranscriber,
    open_transcriber,
)
from tests.moonshine_examples import waves
from tests.whisper_examples import sounds


def check(transcriber, task, recordings, **options):
    """Against Keras; returns what `progress` was told."""
    done = []
    for samples in recordings:
        found = transcriber.transcribe(samples, lambda *x: done.append(x))
        expected = task.transcribe(samples, details=True, **options)
        assert found.text == expected["text"]
        assert found.token_ids == expected["token_ids"] != []
        assert found.words == [] and found.confidence is None
        assert found.duration_s == len(samples) / 16000
    return done


def test_a_whisper_says_what_keras_says(exported_whisper):
    task, path, _ = exported_whisper
    transcriber = open_transcriber(path)
    assert isinstance(transcriber, WhisperTranscriber)
    long = np.concatenate(list(sounds(3)))
    recordings = long, long[:700], long[:1280]
    # As the file was made to: other texts than in the other language.
    asked = {"language": "de", "translate": True}
    done = check(transcriber, task, recordings, **asked)
    assert transcriber.transcribe(long).text != task.transcribe(
        long, language="en"
    )
    assert transcriber.metadata["language"] == "de"
    assert transcriber.metadata["translate"] is True
    assert (task.language, task.translate) == (None, False)
    assert done[-1] == (0.08, 0.08)


def test_a_moonshine_says_what_keras_says(exported_moonshine):
    task, path, _ = exported_moonshine
    transcriber = open_transcriber(path)
    assert isinstance(transcriber, MoonshineTranscriber)
    recordings = waves([9000, 60000, 20000, 1600])
    done = check(transcriber, task, recordings)
    assert len(done) > len(recordings) and done[-1] == (0.1, 0.1)
    short = waves([300])[0]
    ids = task.transcribe(short, details=True)["token_ids"]
    assert transcriber.transcribe(short).token_ids == ids


def test_other_files_and_searches_are_refused(
    exported_whisper, exported_moonshine, repository
):
    _, path, _ = exported_whisper
    _, other, _ = exported_moonshine
    asr = repository / "tests" / "golden" / "tiny_asr"
    assert isinstance(open_transcriber(asr), Transcriber)
    with pytest.raises(ModelError, match="no Whisper: its metadata lacks"):
        WhisperTranscriber(asr)
    with pytest.raises(ModelError, match="no Moonshine: .* min_samples"):
        MoonshineTranscriber(path)
    with pytest.raises(ModelError, match="no speech recogniser"):
        Transcriber(path)
    for file, name in ((path, "Whisper"), (other, "Moonshine")):
        with pytest.raises(ValueError, match=f"{name}'s file searches by it"):
            open_transcriber(file).transcribe(sounds(1)[0], search=object())


def test_the_base_is_abstract():
    with pytest.raises(NotImplementedError, match="_least_samples"):
        DictationTranscriber._least_samples(object())
