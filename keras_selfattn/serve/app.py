"""The application: its routes, and what lives as long as it does."""

import contextlib
from importlib import resources

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from keras_selfattn.serve import texts, transcriptions
from keras_selfattn.serve.answering import Service
from keras_selfattn.serve.figures import Figures
from keras_selfattn.serve.folder_search import FolderSearch
from keras_selfattn.serve.guard import Guard
from keras_selfattn.serve.openapi import document
from keras_selfattn.serve.pool import Pool
from keras_selfattn.serve.service_error import ServiceError
from keras_selfattn.serve.streams import Streams, stream
from keras_selfattn.serve.worker import upload_folder

# The parts of the page, read once; no path is made of what a request says.
PAGE_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
CONTENT_TYPE_METRICS = "text/plain; version=0.0.4; charset=utf-8"


def create_app(models, settings, search_folder=None):
    """The ASGI application of a service.

    Its workers start and end with its lifespan.

    Args:
        models: list of ServedModel.
        settings: Settings.
        search_folder: path of a folder of texts, or None.

    Returns:
        `Guard`, an ASGI application; its `state` has `service`, `streams`.

    Raises:
        ValueError: the folder cannot be searched.
    """
    figures = Figures()
    pool = Pool(models, settings, figures)
    search = None if search_folder is None else FolderSearch(search_folder)

    @contextlib.asynccontextmanager
    async def lifespan(app):
        with upload_folder() as folder:
            pool.start()
            app.state.service = Service(
                models, settings, pool, figures, folder, search
            )
            app.state.streams = Streams(settings, figures)
            try:
                yield
            finally:
                app.state.streams.close()
                pool.close()

    async def healthz(request):
        """Say whether workers run."""
        well = pool.alive == settings.workers
        return JSONResponse(
            {
                "status": "ok" if well else "degraded",
                "workers": pool.alive,
                "waiting": pool.waiting,
                "search": search is not None,
                "token": settings.token is not None,
            },
            200 if pool.alive else 503,
        )

    async def metrics(request):
        """All figures, for Prometheus."""
        return Response(figures.text(pool), media_type=CONTENT_TYPE_METRICS)

    async def openapi(request):
        """Describe the service."""
        return JSONResponse(document(settings))

    routes = [
        Route("/v1/models", texts.list_models),
        Route("/v1/models/{name:path}", texts.get_model),
        Route(
            "/v1/audio/transcriptions",
            transcriptions.transcriptions,
            methods=["POST"],
        ),
        Route("/v1/translate", texts.translate, methods=["POST"]),
        Route("/translate", texts.translate, methods=["POST"]),
        Route("/languages", texts.languages),
        Route("/v1/classify", texts.classify, methods=["POST"]),
        Route("/v1/embeddings", texts.embeddings, methods=["POST"]),
        Route("/v1/search", texts.search),
        Route("/healthz", healthz),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
        WebSocketRoute("/v1/audio/stream", stream),
        *_page_routes(),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={
            ServiceError: _service_error,
            HTTPException: _http_error,
            ClientDisconnect: _gone,
            Exception: _any_error,
        },
    )
    paths = {route.path for route in routes}
    guard = Guard(app, settings, pool, figures, paths)
    guard.state, guard.routes = app.state, routes
    return guard


def _page_routes():
    folder = resources.files("keras_selfattn.serve") / "page"

    def route(path, file):
        content = file.read_bytes()
        kind = PAGE_TYPES["." + file.name.rpartition(".")[2]]

        async def part(request):
            return Response(
                content,
                headers={"Content-Type": kind, "Cache-Control": "no-cache"},
            )

        return Route(path, part)

    parts = sorted(folder.iterdir(), key=lambda file: file.name)
    return [
        route("/" if file.name == "index.html" else f"/page/{file.name}", file)
        for file in parts
        if "." + file.name.rpartition(".")[2] in PAGE_TYPES
    ]


async def _service_error(request, error):
    return error.response(request.url.path)


async def _http_error(request, error):
    """What the router says: no such path, or not by this method."""
    sentences = {
        404: f"There is no {request.url.path[:80]} here.",
        405: f"{request.method[:10]} does not go with this path.",
    }
    message = sentences.get(error.status_code, str(error.detail))
    told = ServiceError(
        error.status_code, message, headers=dict(error.headers or {})
    )
    return told.response(request.url.path)


async def _gone(request, error):
    """The client went away before its request was there: nobody reads it."""
    return ServiceError(400, "The request is incomplete.").response()


async def _any_error(request, error):
    message = "The service made a mistake; see its log."
    return ServiceError(500, message, "internal_error").response(
        request.url.path
    )
