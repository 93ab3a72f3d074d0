"""Recordings, asked for as OpenAI's clients do."""

import io
import os

import numpy as np
import pytest
import soundfile

from keras_selfattn.runtime import Transcriber
from tests.command_line import TINY
from tests.serve_client import (
    SAMPLE,
    TRANSCRIBE,
    child,
    running,
    wav,
)


@pytest.fixture(scope="module")
def expected():
    found = Transcriber(TINY).transcribe(TINY / "sample.wav")
    assert found.text
    return found


def ask(client, content=SAMPLE, name="sample.wav", **fields):
    files = {"file": (name, content)}
    return client.post(TRANSCRIBE, files=files, data=fields)


def test_every_format_has_the_text(client, expected):
    assert ask(client).json() == {"text": expected.text}
    answer = ask(client, model="tiny_asr", response_format="text")
    assert answer.text == expected.text + "\n"
    answer = ask(client, response_format="srt")
    assert answer.text.startswith("1\n00:00:0")
    assert expected.words[0]["word"] in answer.text
    answer = ask(client, response_format="vtt")
    assert answer.text.startswith("WEBVTT\n\n00:00:0")
    assert answer.headers["content-type"].startswith("text/vtt")


def test_verbose_json_has_segments_or_words_or_both(client, expected):
    answer = ask(client, response_format="verbose_json").json()
    assert answer["text"] == expected.text
    assert answer["duration"] == pytest.approx(expected.duration_s)
    assert "words" not in answer
    texts = [part["text"] for part in answer["segments"]]
    assert " ".join(texts) == expected.text
    fields = {
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word"],
    }
    answer = ask(client, **fields).json()
    assert "segments" not in answer
    assert [(w["word"], w["start"], w["end"]) for w in answer["words"]] == [
        (w["word"], w["start_s"], w["end_s"]) for w in expected.words
    ]
    fields["timestamp_granularities[]"] = ["segment", "word"]
    answer = ask(client, **fields).json()
    assert answer["words"] and answer["segments"]


def test_other_formats_and_rates_are_read(client, expected):
    samples, rate_hz = soundfile.read(TINY / "sample.wav")
    out = io.BytesIO()
    soundfile.write(out, samples, rate_hz, format="FLAC")
    # Its name is of no account.
    answer = ask(client, out.getvalue(), name="../../etc/passwd")
    assert answer.json() == {"text": expected.text}


@pytest.mark.parametrize(
    "content",
    [
        b"no sound at all",
        b"RIFF",
        SAMPLE[: len(SAMPLE) // 2],
        SAMPLE[:44],
        b"\x00" * 5000,
        b"OggS" + b"\xff" * 500,
        b"fLaC" + b"\x00" * 500,
        b"ID3" + b"\x7f" * 2000,
        SAMPLE[:24] + b"\xff" * 20 + SAMPLE[44:],
    ],
)
def test_what_is_no_recording_is_refused(client, content):
    answer = ask(client, content)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert "/tmp" not in error["message"]


def test_samples_that_are_no_numbers_are_refused(client):
    out = io.BytesIO()
    soundfile.write(
        out, np.full(8000, np.nan), 8000, format="WAV", subtype="FLOAT"
    )
    assert ask(client, out.getvalue()).status_code == 400


@pytest.mark.parametrize(
    "fields, param",
    [
        ({"response_format": "xml"}, "response_format"),
        ({"language": "xx"}, "language"),
        ({"temperature": "2"}, "temperature"),
        ({"temperature": "nan"}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"timestamp_granularities[]": ["word"]}, "timestamp_granularities"),
        (
            {
                "response_format": "verbose_json",
                "timestamp_granularities[]": ["letter"],
            },
            "timestamp_granularities",
        ),
    ],
)
def test_wrong_fields_are_named(client, fields, param):
    answer = ask(client, **fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_the_file_has_to_be_a_file(client):
    assert ask(client, b"").json()["error"]["param"] == "file"
    answer = client.post(TRANSCRIBE, files={"model": (None, "tiny_asr")})
    assert answer.json()["error"]["param"] == "file"
    answer = client.post(TRANSCRIBE, files={"file": (None, "text")})
    assert answer.json()["error"]["param"] == "file"
    files = {"file": SAMPLE, "model": ("a", b"b")}
    answer = client.post(TRANSCRIBE, files=files)
    assert answer.json()["error"]["param"] == "model"
    assert client.post(TRANSCRIBE, json={}).status_code == 415


def test_an_unknown_model_is_not_found(client):
    answer = ask(client, model="whisper-1")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "model_not_found"


def test_long_recordings_are_refused_and_nothing_is_left():
    with running(presets=[TINY], max_audio_seconds=2) as client:
        answer = ask(client, wav(np.zeros(3 * 8000), 8000))
        assert answer.status_code == 413
        folder = client.app.state.service.folder
        assert os.listdir(folder) == []
    assert not folder.exists()


def test_openai_s_client_as_it_is(expected):
    openai = pytest.importorskip("openai", reason="needs openai's client")
    with child("--workers", "1", "--token", "sesame") as (_, address):
        client = openai.OpenAI(
            base_url=f"{address}/v1", api_key="sesame", max_retries=0
        )
        assert "tiny_asr" in [model.id for model in client.models.list()]
        create = client.audio.transcriptions.create
        path = TINY / "sample.wav"
        found = create(model="tiny_asr", file=path)
        assert found.text == expected.text
        found = create(
            model="tiny_asr",
            file=path,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert [w.word for w in found.words] == [
            w["word"] for w in expected.words
        ]
        assert found.segments[0].start <= found.segments[0].end
        found = create(model="tiny_asr", file=path, response_format="srt")
        assert "-->" in found
        with pytest.raises(openai.NotFoundError, match="tiny_asr"):
            create(model="whisper-1", file=path)
        with pytest.raises(openai.BadRequestError, match="not a sound file"):
            create(model="tiny_asr", file=("a.wav", b"no sound"))
        wrong = openai.OpenAI(
            base_url=f"{address}/v1", api_key="x", max_retries=0
        )
        with pytest.raises(openai.AuthenticationError):
            wrong.models.list()
