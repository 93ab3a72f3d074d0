"""Live speech, frame by frame."""

import json
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import soxr
from starlette.websockets import WebSocketDisconnect

from keras_selfattn.runtime import StreamingTranscriber
from keras_selfattn.serve.figures import Figures
from keras_selfattn.serve.streams import _Dialogue
from tests.command_line import TINY
from tests.serve_client import STREAM, TINY_STREAM, pcm, running, wait_until

END = json.dumps({"type": "end"})


@pytest.fixture(scope="module")
def speech():
    samples, rate_hz = soundfile.read(
        TINY_STREAM / "sample.wav", dtype="float32"
    )
    return samples, rate_hz


@pytest.fixture(scope="module")
def expected(speech):
    stream = StreamingTranscriber(TINY_STREAM, second_pass=True)
    # As they are heard: in 16 bits.
    heard = np.frombuffer(pcm(speech[0]), "<i2").astype("float32") / 32768
    stream.feed(heard)
    segments = [segment.text for segment in stream.take_segments()]
    last = stream.finish().text
    found = [*segments, last] if last else segments
    assert "".join(found)
    return found


def dialogue(client, frames, query=""):
    """What the service says to frames and to the end, and its code."""
    said = []
    with client.websocket_connect(STREAM + query) as socket:
        for frame in frames:
            if isinstance(frame, bytes):
                socket.send_bytes(frame)
            else:
                socket.send_text(frame)
        try:
            while True:
                said.append(socket.receive_json())
        except WebSocketDisconnect as closed:
            return said, closed.code


def texts(said):
    return [m["text"] for m in said if m["type"] == "segment"]


@pytest.mark.parametrize("size", [1600, 30_000, 10**6])
def test_a_stream_says_what_the_runtime_says(client, speech, expected, size):
    data = pcm(speech[0])
    frames = [data[i : i + size] for i in range(0, len(data), size)]
    said, code = dialogue(client, [*frames, b"", END])
    assert code == 1000
    assert said[0]["type"] == "ready" and said[-1]["type"] == "done"
    assert texts(said) == expected
    assert said[-1]["duration_s"] == pytest.approx(len(data) / 2 / speech[1])
    assert any(message["type"] == "partial" for message in said)


def test_other_sampling_rates_are_taken(client, speech, expected):
    samples, rate_hz = speech
    loud = soxr.resample(samples, rate_hz, 3 * rate_hz)
    query = f"&sampling_rate_hz={3 * rate_hz}"
    said, code = dialogue(client, [pcm(loud), END], query)
    assert code == 1000
    assert texts(said) == expected


@pytest.mark.parametrize(
    "frame",
    [
        b"odd",
        "no json",
        "{}",
        '{"type": "begin"}',
        "[]",
        "3",
        "[" * 50_000,
        "",
    ],
)
def test_frames_without_sense_end_the_stream(client, frame):
    said, code = dialogue(client, [frame])
    assert (said[-1]["type"], code) == ("error", 1007)
    assert said[-1]["error"]["code"] == "invalid_frame"


@pytest.mark.parametrize("rate", ["0", "x", "-1", "1e9", "²", "9" * 99])
def test_a_rate_without_sense_ends_the_stream(client, rate):
    said, code = dialogue(client, [], f"&sampling_rate_hz={rate}")
    assert (said[-1]["error"]["param"], code) == ("sampling_rate_hz", 1007)


def test_a_model_has_to_stream(client):
    for name in ("tiny_asr", "tiny_text", "gone"):
        address = f"ws://127.0.0.1/v1/audio/stream?model={name}"
        with client.websocket_connect(address) as socket:
            assert socket.receive_json()["type"] == "error"


def test_streams_are_counted_and_one_more_is_refused(speech, expected):
    with running(presets=[TINY, TINY_STREAM], max_streams=1) as client:
        streams = client.app.state.streams
        with client.websocket_connect(STREAM) as first:
            assert first.receive_json()["type"] == "ready"
            said, code = dialogue(client, [])
            assert (said[-1]["error"]["code"], code) == (
                "too_many_streams",
                1013,
            )
            first.send_bytes(pcm(speech[0]))
        # It hung up in the middle: nothing of it is left for the next.
        wait_until(lambda: streams.live == 0)
        said, code = dialogue(client, [pcm(speech[0]), END])
        assert (texts(said), code) == (expected, 1000)


def test_a_stream_that_sends_nothing_is_ended(speech):
    with running(presets=[TINY_STREAM], stream_idle_s=0.3) as client:
        said, code = dialogue(client, [pcm(speech[0][:1600])])
        assert (said[-1]["error"]["code"], code) == ("stream_idle", 1007)


def test_a_stream_ends_at_its_greatest_length(speech):
    with running(presets=[TINY_STREAM], max_stream_s=0.5) as client:
        data = pcm(np.tile(speech[0], 2)[: speech[1]])
        said, code = dialogue(client, [data])
        assert (said[-1]["type"], code) == ("done", 1008)


def test_when_the_service_ends_a_stream_says_what_it_heard(speech, expected):
    with running(presets=[TINY_STREAM]) as client:
        streams = client.app.state.streams
        with client.websocket_connect(STREAM) as socket:
            said = [socket.receive_json()]
            socket.send_bytes(pcm(speech[0]))
            said.append(socket.receive_json())
            client.portal.call(streams.drain, 10.0)
            with pytest.raises(WebSocketDisconnect) as closed:
                while True:
                    said.append(socket.receive_json())
        assert closed.value.code == 1012
        assert texts(said) == expected
        assert streams.live == 0


def test_a_thread_that_is_late_does_not_feed_the_next_stream():
    """Cancelled dialogues leave threads behind that still compute."""
    heard, begun, go_on = [], threading.Event(), threading.Event()

    class Transcriber:
        sampling_rate_hz = 16000

        def feed(self, samples):
            begun.set()
            assert go_on.wait(10)
            heard.append(len(samples))
            return ""

    state = SimpleNamespace(
        streams=None,
        service=SimpleNamespace(settings=None, figures=Figures()),
    )
    talk = _Dialogue(None, state, Transcriber(), 16000)
    feeding = threading.Thread(target=talk._feed, args=(b"\0" * 64,))
    feeding.start()
    assert begun.wait(10)
    leaving = threading.Thread(target=talk.leave)
    leaving.start()
    leaving.join(0.2)
    assert leaving.is_alive() and heard == []  # it waits for the thread
    go_on.set()
    leaving.join(10)
    feeding.join(10)
    assert heard == [32]
    assert talk._feed(b"\0" * 64) == "" and heard == [32]
    with pytest.raises(WebSocketDisconnect):
        talk._close_feed()
