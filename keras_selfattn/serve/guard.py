"""What stands before every endpoint: who asks, how much, for how long.

Plain ASGI. A request that is refused here is refused before its body is read:
nothing is computed for it.
"""

import asyncio
import hashlib
import hmac
import time
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from keras_selfattn.serve.pool import too_busy
from keras_selfattn.serve.service_error import ServiceError

TEXT_BYTES = 1 << 20  # of a request without a recording
# What anybody may see: the page, its parts, and whether the service is well.
OPEN_PATHS = ("/", "/healthz", "/openapi.json", "/languages")
OPEN_PREFIX = "/page/"
# Paths whose requests take a place in the queue.
RECORDINGS = "/v1/audio/transcriptions"
WORKING = (
    RECORDINGS,
    "/v1/translate",
    "/translate",
    "/v1/classify",
)
# The page is ours from top to bottom: nothing of anybody else is loaded, sent
# to, or framed. Microphones are for this page alone.
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        "img-src 'self'; connect-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_HEADERS = [
    (name.lower().encode(), value.encode())
    for name, value in SECURITY_HEADERS.items()
]
# Where a body was not read to its end, nothing can come behind it.
CLOSE = {"Connection": "close"}
BEARER_PROTOCOL = "bearer."


class Guard:
    """ASGI middleware: access, limits, security headers and figures.

    Args:
        app: the ASGI application behind it.
        settings: Settings.
        pool: `Pool`, for how long a refused request should wait.
        figures: `Figures`.
        paths: set of the routes' paths, for the figures.
    """

    def __init__(self, app, settings, pool, figures, paths):
        self._app, self._settings = app, settings
        self._pool, self._figures = pool, figures
        self._paths = paths
        self._digest = None
        if settings.token is not None:
            self._digest = _digest(settings.token.encode())
        self._accepted = 0
        self.draining = False

    @property
    def accepted(self):
        """How many working requests are in progress."""
        return self._accepted

    async def __call__(self, scope, receive, send):
        """Answer a request, or have it answered."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _http(self, scope, receive, send):
        started = time.monotonic()
        path, status, begun = scope["path"], 500, False

        async def send_on(message):
            nonlocal status, begun
            if message["type"] == "http.response.start":
                status, begun = message["status"], True
                message = {
                    **message,
                    "headers": [*message.get("headers", ()), *_HEADERS],
                }
            await send(message)

        working = scope["method"] == "POST" and path in WORKING
        try:
            self._admit(scope)
            if working:
                if self._accepted >= self._settings.queue_size:
                    raise too_busy(self._pool.retry_after_s())
                self._accepted += 1
                self._figures.accepted.inc()
            try:
                body = _Body(receive, self._settings, self._most_bytes(path))
                await self._app(scope, body.receive, send_on)
            finally:
                if working:
                    self._accepted -= 1
                    self._figures.accepted.dec()
        except ServiceError as error:
            if not begun:
                response = error.response(path)
                response.headers.update(CLOSE)
                await response(scope, receive, send_on)
        finally:
            label = path if path in self._paths else "other"
            self._figures.requests.labels(label, str(status)).inc()
            self._figures.seconds.labels(label).observe(
                time.monotonic() - started
            )

    async def _websocket(self, scope, receive, send):
        try:
            self._admit(scope)
        except ServiceError as error:
            # Before it is accepted: the handshake is answered with an error.
            await send(
                {
                    "type": "websocket.http.response.start",
                    "status": error.status,
                    "headers": [
                        (b"content-type", b"application/json"),
                        *(
                            (name.lower().encode(), value.encode())
                            for name, value in error.headers.items()
                        ),
                        *_HEADERS,
                    ],
                }
            )
            body = error.response().body
            await send({"type": "websocket.http.response.body", "body": body})
            return
        await self._app(scope, receive, send)

    def _admit(self, scope):
        """Raise where a request may not come in at all."""
        headers = Headers(scope=scope)
        if self.draining:
            raise ServiceError(
                503,
                "The service is shutting down.",
                "shutting_down",
                headers={"Retry-After": "10"},
            )
        host = headers.get("host", "")
        names = self._settings.hosts
        if "*" not in names and _name(host) not in names:
            raise ServiceError(
                421,
                "The service does not answer under this host name; it is "
                "told its names by --allow-host.",
                "unknown_host",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit_host(origin) != host:
            raise ServiceError(
                403,
                "Pages of other origins may not use this service.",
                "foreign_origin",
            )
        path = scope["path"]
        is_open = path in OPEN_PATHS or path.startswith(OPEN_PREFIX)
        if self._digest is not None and not is_open:
            self._check_token(headers, scope)
        length = headers.get("content-length")
        # The server has seen to it that it is a number.
        if length is not None and int(length) > self._most_bytes(path):
            raise _too_large(self._most_bytes(path))

    def _most_bytes(self, path):
        """The longest body that a path takes."""
        most = self._settings.max_upload_bytes
        return most if path == RECORDINGS else min(most, TEXT_BYTES)

    def _check_token(self, headers, scope):
        given = headers.get("authorization", "")
        scheme, _, token = given.partition(" ")
        if scheme.lower() != "bearer":
            token = ""
        # A page cannot give a WebSocket headers; protocols it can.
        for protocol in scope.get("subprotocols", ()):
            if protocol.startswith(BEARER_PROTOCOL):
                token = _from_hex(protocol.removeprefix(BEARER_PROTOCOL))
        # Digests have one length: comparing tells nothing of the token's.
        found = _digest(token.strip().encode("utf-8", "surrogateescape"))
        if not hmac.compare_digest(found, self._digest):
            raise ServiceError(
                401,
                "The bearer token is missing or wrong.",
                "invalid_api_key",
                headers={"WWW-Authenticate": "Bearer"},
            )


class _Body:
    """The body of a request, counted and timed as it comes in."""

    def __init__(self, receive, settings, most_bytes):
        self._receive, self._settings = receive, settings
        self._most_bytes = most_bytes
        self._bytes, self._done = 0, False
        self._deadline = time.monotonic() + settings.body_seconds

    async def receive(self):
        if self._done:  # it now waits for the client to go away
            return await self._receive()
        try:
            async with asyncio.timeout(self._deadline - time.monotonic()):
                message = await self._receive()
        except TimeoutError:
            raise ServiceError(
                408,
                f"The body did not come within "
                f"{self._settings.body_seconds:g} s.",
                "body_timeout",
                headers=CLOSE,
            ) from None
        if message["type"] == "http.request":
            self._bytes += len(message.get("body", b""))
            self._done = not message.get("more_body", False)
            if self._bytes > self._most_bytes:
                raise _too_large(self._most_bytes)
        return message


def _too_large(most_bytes):
    return ServiceError(
        413,
        f"The body is larger than {most_bytes} bytes.",
        "body_too_large",
        headers=CLOSE,
    )


def _digest(token):
    return hashlib.sha256(token).digest()


def _from_hex(text):
    try:
        return bytes.fromhex(text).decode("utf-8")
    except ValueError:
        return ""


def _name(host):
    """The name in a Host header, without the port."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isdigit() else host


def urlsplit_host(origin):
    """Host and port of an Origin header, "" for one that has none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""
