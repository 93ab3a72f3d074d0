"""Texts translated, classified, embedded and found, and the list of models."""

import base64

from starlette.responses import JSONResponse

from keras_selfattn.serve.request_fields import (
    FORM,
    JSON,
    MULTIPART,
    choice,
    flag,
    integer,
    invalid,
    read_fields,
    text,
    texts,
)
from keras_selfattn.serve.served_models import (
    CLASSIFICATION,
    EMBEDDING,
    TRANSLATION,
    choose,
)
from keras_selfattn.serve.service_error import ServiceError

MOST_BEAMS = 8
MOST_QUERY_CHARACTERS = 500
MOST_FOUND = 50
MOST_DIMENSIONS = 65536
ENCODINGS = ("float", "base64")
NAMES = {"de": "German", "en": "English", "zh": "Chinese"}


def language_pair(model):
    """Source and target of a translator: ("zh", "en"); "" where not told."""
    source, _, target = (model.language or "").partition("-")
    return source, target


async def translate(request):
    """Answer LibreTranslate's request: q, source, target, format."""
    service = request.app.state.service
    fields = await read_fields(request, (JSON, FORM, MULTIPART))
    found, is_list = texts(fields, "q", service.settings)
    choice(fields, "format", "text", ("text",))
    source, target = text(fields, "source", "auto"), text(fields, "target")
    model = _translator(service.models, text(fields, "model"), source, target)
    beam = integer(fields, "beam", 1, 1, MOST_BEAMS)
    alignment = flag(fields, "alignment")
    answer = await service.answer(
        model,
        sum(map(len, found)),
        texts=found,
        beam=beam,
        alignment=alignment,
    )
    lines = answer["translations"]
    written = [line["text"] for line in lines]
    body = {"translatedText": written if is_list else written[0]}
    if alignment:
        drawn = [line["alignment"] for line in lines]
        body["alignment"] = drawn if is_list else drawn[0]
    return JSONResponse(body)


def _translator(models, name, source, target):
    """The translator of a name, or of a pair of languages."""
    if name is not None:
        model = choose(models, TRANSLATION, name)
        candidates = [model]
    else:
        choose(models, TRANSLATION, None)
        candidates = [m for m in models if m.kind == TRANSLATION]
    for model in candidates:
        pair = language_pair(model)
        # A file of one's own may not tell its languages.
        if source in ("auto", pair[0]) or not pair[0]:
            if target in (None, pair[1]) or not pair[1]:
                return model
    known = ", ".join(m.language or m.name for m in candidates)
    raise invalid(
        f"Nothing here translates from {source[:20]!r} to "
        f"{(target or 'any')[:20]!r}; there is: {known}.",
        "target",
    )


async def languages(request):
    """List the languages as LibreTranslate does."""
    targets = {}
    for model in request.app.state.service.models:
        if model.kind == TRANSLATION and model.language:
            source, target = language_pair(model)
            targets.setdefault(source, []).append(target)
    return JSONResponse(
        [
            {"code": code, "name": NAMES.get(code, code), "targets": found}
            for code, found in sorted(targets.items())
        ]
    )


async def classify(request):
    """Label texts: input, model, attention."""
    service = request.app.state.service
    fields = await read_fields(request)
    found, _ = texts(fields, "input", service.settings)
    model = choose(service.models, CLASSIFICATION, text(fields, "model"))
    answer = await service.answer(
        model,
        sum(map(len, found)),
        texts=found,
        attention=flag(fields, "attention"),
    )
    data = [
        {"index": i, **entry}
        for i, entry in enumerate(answer["classifications"])
    ]
    return JSONResponse({"object": "list", "model": model.name, "data": data})


async def embeddings(request):
    """Give vectors of texts as OpenAI does: input, model, encoding_format."""
    service = request.app.state.service
    fields = await read_fields(request)
    found, _ = texts(fields, "input", service.settings)
    encoding = choice(fields, "encoding_format", "float", ENCODINGS)
    asked = integer(fields, "dimensions", None, 1, MOST_DIMENSIONS)
    model = choose(service.models, EMBEDDING, text(fields, "model"))
    answer = await service.answer(model, sum(map(len, found)), texts=found)
    vectors = answer["embeddings"].astype("<f4")
    if asked not in (None, vectors.shape[1]):
        raise invalid(
            f"{model.name} gives vectors of {vectors.shape[1]} numbers, and "
            f"no shorter ones; dimensions is {asked}.",
            "dimensions",
        )
    data = [
        {
            "object": "embedding",
            "index": i,
            "embedding": base64.b64encode(vector.tobytes()).decode("ascii")
            if encoding == "base64"
            else vector.tolist(),
        }
        for i, vector in enumerate(vectors)
    ]
    count = answer["tokens"]
    return JSONResponse(
        {
            "object": "list",
            "model": model.name,
            "data": data,
            "usage": {"prompt_tokens": count, "total_tokens": count},
        }
    )


async def list_models(request):
    """List the models as OpenAI does."""
    models = request.app.state.service.models
    return JSONResponse(
        {"object": "list", "data": [_described(model) for model in models]}
    )


async def get_model(request):
    """Describe one model as OpenAI does."""
    name = request.path_params["name"]
    for model in request.app.state.service.models:
        if name in (model.name, model.preset):
            return JSONResponse(_described(model))
    raise ServiceError(
        404, f"The model {name[:80]!r} does not exist.", "model_not_found"
    )


def _described(model):
    return {
        "id": model.name,
        "object": "model",
        "created": model.created,
        "owned_by": "keras_selfattn",
        "kind": model.kind,
        "preset": model.preset,
        "language": model.language,
        "streams": model.streams,
    }


async def search(request):
    """Find passages of the folder's texts: q, limit."""
    service = request.app.state.service
    if service.search is None:
        raise ServiceError(
            404,
            "The service was started without --search-folder.",
            "no_search_folder",
        )
    fields = dict(request.query_params)
    query = fields.get("q", "")
    if not query.strip():
        raise invalid("q is missing.", "q")
    if len(query) > MOST_QUERY_CHARACTERS:
        raise invalid(
            f"q is longer than {MOST_QUERY_CHARACTERS} characters.", "q"
        )
    limit = integer(fields, "limit", 10, 1, MOST_FOUND)
    return JSONResponse({"query": query, "data": service.search(query, limit)})
