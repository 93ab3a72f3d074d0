"""`WebSocket /v1/audio/stream`: samples in, text while it is spoken.

The client sends binary frames of 16-bit little-endian mono samples, of any
length, and at last the text frame `{"type": "end"}`. It gets text frames of
JSON: `ready`, `partial` (the text of the segment so far), `segment` (an ended
one), `done` (the last), `error`. A frame is read when the one before it is
answered: whoever sends faster than it is computed is slowed down.
"""

import asyncio
import contextlib
import json
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import soxr
from starlette.websockets import WebSocketDisconnect

from keras_selfattn.runtime.streaming_transcriber import StreamingTranscriber
from keras_selfattn.serve.served_models import TRANSCRIPTION, choose
from keras_selfattn.serve.service_error import ServiceError
from keras_selfattn.serve.worker import speech_search

PROTOCOL = "keras-selfattn"
LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8000, 192_000
# Of WebSockets (RFC 6455, section 7.4.1, and IANA's list).
NORMAL, GOING_AWAY, BAD_DATA, POLICY = 1000, 1001, 1007, 1008
INTERNAL_ERROR, RESTARTS, TRY_AGAIN_LATER = 1011, 1012, 1013


class Streams:
    """The live streams of a service: their transcribers and their threads.

    A transcriber takes some tenths of a second to open, so one that a stream
    has left is kept for the next.

    Args:
        settings: Settings.
        figures: `Figures`.
    """

    def __init__(self, settings, figures):
        self._settings, self._figures = settings, figures
        self._idle = {}  # name of a model -> list of transcribers
        self._live = 0
        self._nobody = asyncio.Event()
        self._nobody.set()
        self.draining = asyncio.Event()
        self._threads = ThreadPoolExecutor(
            max(1, settings.max_streams), thread_name_prefix="stream"
        )

    @property
    def live(self):
        """How many streams there are now."""
        return self._live

    async def take(self, model):
        """A transcriber for a new stream.

        Raises:
            ServiceError: 503, there are as many as there may be.
        """
        if self._live >= self._settings.max_streams:
            raise ServiceError(
                503,
                f"There are {self._live} live streams, which is all that the "
                "service takes; try again later.",
                "too_many_streams",
            )
        self._live += 1
        self._nobody.clear()
        self._figures.streams.inc()
        idle = self._idle.setdefault(model.name, [])
        if idle:
            return idle.pop()
        try:
            return await self.run(_open, model)
        except BaseException:
            self._leave()
            raise

    def give_back(self, model, transcriber):
        """Take a transcriber back when its stream has ended."""
        transcriber.reset()
        self._idle[model.name].append(transcriber)
        self._leave()

    def _leave(self):
        self._live -= 1
        self._figures.streams.dec()
        if not self._live:
            self._nobody.set()

    async def run(self, function, *arguments):
        """Call a function in a thread of the streams."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)

    async def drain(self, seconds):
        """Have all streams say what they heard and end."""
        self.draining.set()
        try:
            async with asyncio.timeout(seconds):
                await self._nobody.wait()
        except TimeoutError:
            print(f"{self._live} streams were cut off", file=sys.stderr)

    def close(self):
        """Let the threads go."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _open(model):
    return StreamingTranscriber(
        model.path, second_pass=True, search=speech_search(model)
    )


async def stream(websocket):
    """Answer a WebSocket: query model, sampling_rate_hz."""
    state = websocket.app.state
    asked = PROTOCOL in websocket.scope.get("subprotocols", ())
    await websocket.accept(subprotocol=PROTOCOL if asked else None)
    code, reason = NORMAL, ""
    transcriber = dialogue = None
    try:
        model, rate_hz = _wanted(state.service.models, websocket.query_params)
        transcriber = await state.streams.take(model)
        dialogue = _Dialogue(websocket, state, transcriber, rate_hz)
        code = await dialogue.run()
    except WebSocketDisconnect:
        return
    except ServiceError as error:
        code = TRY_AGAIN_LATER if error.status == 503 else BAD_DATA
        reason = error.message
        await _send_last(websocket, error)
    except Exception:
        print(f"stream:\n{traceback.format_exc()}", file=sys.stderr)
        code, reason = INTERNAL_ERROR, "The stream could not go on."
        error = ServiceError(500, reason, "stream_failed")
        await _send_last(websocket, error)
    finally:
        if dialogue is not None:
            dialogue.leave()
        if transcriber is not None:
            state.streams.give_back(model, transcriber)
    # Where the client was faster there is nothing to close.
    with contextlib.suppress(RuntimeError, WebSocketDisconnect):
        short = reason.encode()[:120].decode("utf8", "ignore")
        await websocket.close(code, short)


async def _send(websocket, message):
    try:
        await websocket.send_text(json.dumps(message))
    except (RuntimeError, WebSocketDisconnect):
        raise WebSocketDisconnect from None


async def _send_last(websocket, error):
    """Say what is wrong, to a client that may have gone."""
    with contextlib.suppress(WebSocketDisconnect):
        await _send(websocket, {"type": "error", **error.body()})


def _wanted(models, query):
    model = choose(models, TRANSCRIPTION, query.get("model"))
    if not model.streams:
        raise ServiceError(
            400, f"The model {model.name} does not stream.", "invalid_value"
        )
    given = query.get("sampling_rate_hz", "16000")
    rate_hz = int(given) if given.isascii() and given.isdigit() else 0
    if not LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ:
        raise ServiceError(
            400,
            f"sampling_rate_hz has to be from {LOWEST_RATE_HZ} to "
            f"{HIGHEST_RATE_HZ}.",
            "invalid_value",
            "sampling_rate_hz",
        )
    return model, rate_hz


class _Dialogue:
    """One stream, from `ready` to `done`."""

    def __init__(self, websocket, state, transcriber, rate_hz):
        self._websocket, self._streams = websocket, state.streams
        self._settings = state.service.settings
        self._figures = state.service.figures
        self._transcriber = transcriber
        self._given_hz = rate_hz
        own_hz = transcriber.sampling_rate_hz
        self._resampler = None
        if rate_hz != own_hz:
            self._resampler = soxr.ResampleStream(
                rate_hz, own_hz, 1, dtype="float32"
            )
        self._samples = 0
        self._last = None
        # A dialogue may be cancelled while a thread computes for it; the
        # transcriber then goes to the next stream, which must hear nothing
        # of this one.
        self._computing, self._left = threading.Lock(), False

    def leave(self):
        """Let the transcriber go: no thread feeds it for this one any more."""
        with self._computing:
            self._left = True

    async def run(self):
        """Answer until the end; return the code to close with."""
        await self._say(
            "ready",
            sampling_rate_hz=self._given_hz,
            chunk_seconds=self._transcriber.chunk_seconds,
            latency_ms=self._transcriber.latency_ms,
        )
        drained = asyncio.create_task(self._streams.draining.wait())
        try:
            while True:
                frame = await self._receive(drained)
                if frame is None:
                    break
                text = await self._streams.run(self._feed, frame)
                await self._tell(text)
                if self._samples > self._settings.max_stream_s * self._given_hz:
                    await self._finish()
                    return POLICY
        finally:
            drained.cancel()
        await self._finish()
        return RESTARTS if self._streams.draining.is_set() else NORMAL

    async def _receive(self, drained):
        """The next frame of samples; None at the end."""
        coming = asyncio.create_task(self._websocket.receive())
        done, _ = await asyncio.wait(
            {coming, drained},
            timeout=self._settings.stream_idle_s,
            return_when=asyncio.FIRST_COMPLETED,
        )
        if coming not in done:
            coming.cancel()
            if drained in done:
                return None
            raise ServiceError(
                408,
                f"Nothing came for {self._settings.stream_idle_s:g} s.",
                "stream_idle",
            )
        message = coming.result()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", GOING_AWAY))
        if message.get("bytes") is not None:
            return message["bytes"]
        return self._end(message.get("text") or "")

    def _end(self, text):
        """None where a text frame says that it is the end."""
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            said = None
        if isinstance(said, dict) and said.get("type") == "end":
            return None
        raise ServiceError(
            400,
            'A text frame has to be {"type": "end"}; samples come in binary '
            "frames.",
            "invalid_frame",
        )

    def _feed(self, frame):
        if len(frame) % 2:
            raise ServiceError(
                400,
                f"A frame of {len(frame)} bytes has half a sample; expected "
                "16-bit little-endian mono samples.",
                "invalid_frame",
            )
        samples = np.frombuffer(frame, "<i2").astype("float32") / 32768
        self._samples += len(samples)
        self._figures.audio_seconds.labels("stream").inc(
            len(samples) / self._given_hz
        )
        if self._resampler is not None and len(samples):
            samples = self._resampler.resample_chunk(samples)
        with self._computing:
            return "" if self._left else self._transcriber.feed(samples)

    def _close_feed(self):
        with self._computing:
            if self._left:
                raise WebSocketDisconnect
            if self._resampler is not None:
                rest = self._resampler.resample_chunk(
                    np.zeros(0, "float32"), last=True
                )
                self._transcriber.feed(rest)
            return self._transcriber.finish()

    async def _finish(self):
        last = await self._streams.run(self._close_feed)
        if last.text:
            await self._segment(last)
        await self._say("done", duration_s=self._samples / self._given_hz)

    async def _tell(self, text):
        for segment in self._transcriber.take_segments():
            await self._segment(segment)
        if text != self._last:
            self._last = text
            await self._say("partial", text=text)

    async def _segment(self, segment):
        await self._say(
            "segment",
            text=segment.text,
            words=segment.words,
            confidence=segment.confidence,
        )

    async def _say(self, kind, **values):
        await _send(self._websocket, {"type": kind, **values})
