"""The server around the application: sockets, signals, the end."""

import asyncio
import contextlib
import os
import signal
import sys

import uvicorn

from keras_selfattn.serve.app import create_app

LONGEST_FRAME_BYTES = 1 << 20
DRAIN_SECONDS = 10.0
GRACE_SECONDS = 15
MOST_CONNECTIONS = 1000


class Server(uvicorn.Server):
    """A uvicorn server that ends when it has answered what it accepted.

    At the first SIGTERM or SIGINT no connection is accepted any more, streams
    say what they heard and end, requests that were accepted are answered.
    At a second SIGINT it ends at once.
    """

    @contextlib.contextmanager
    def capture_signals(self):
        """Take signals while the server runs; end with status 0."""
        loop = asyncio.get_running_loop()
        names = (signal.SIGINT, signal.SIGTERM)
        for name in names:
            loop.add_signal_handler(name, self.handle_exit, name, None)
        try:
            yield
        finally:
            for name in names:
                loop.remove_signal_handler(name)

    def handle_exit(self, sig, frame):
        """Refuse new requests from now on, and end soon."""
        self.config.app.draining = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets=None):
        """Start, and say where."""
        await super().startup(sockets)
        if self.started:
            host, port = self.servers[0].sockets[0].getsockname()[:2]
            shown = f"[{host}]" if ":" in host else host
            print(f"http://{shown}:{port}/", file=sys.stderr, flush=True)

    async def shutdown(self, sockets=None):
        """Refuse what is new, finish what is there."""
        for server in self.servers:
            server.close()
        await self.config.app.state.streams.drain(DRAIN_SECONDS)
        await super().shutdown(sockets)


def serve(models, settings, host, port, search_folder=None):
    """Serve until a signal ends it.

    Args:
        models: list of ServedModel.
        settings: Settings.
        host: str, address to listen at.
        port: int; 0 for any that is free, which is printed on stderr.
        search_folder: path of a folder of texts, or None.

    Raises:
        ValueError: the folder cannot be searched.
        OSError: the address cannot be listened at, or workers did not start.
    """
    app = create_app(models, settings, search_folder)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        lifespan="on",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=int(settings.time_limit_s) + GRACE_SECONDS,
        ws_max_size=LONGEST_FRAME_BYTES,
        ws_max_queue=8,
        # Who asked is of no use here, and a header that lies does no harm.
        proxy_headers=False,
    )
    server = Server(config)
    with contextlib.suppress(SystemExit):
        server.run()
    if not server.started:
        raise OSError(
            f"the service could not start at {host}:{port}; the reason is "
            "above."
        )


def default_workers():
    """A worker for each core that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
