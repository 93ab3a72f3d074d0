"""The service's own description, OpenAPI 3.1: what goes in, what comes out.

The tests hold it against the service: every path is there, and generated
requests get the answers that it promises.
"""

from keras_selfattn import __version__
from keras_selfattn.serve.guard import OPEN_PATHS
from keras_selfattn.serve.request_fields import FORM, JSON, MULTIPART
from keras_selfattn.serve.texts import (
    ENCODINGS,
    MOST_BEAMS,
    MOST_DIMENSIONS,
    MOST_FOUND,
    MOST_QUERY_CHARACTERS,
)
from keras_selfattn.serve.transcriptions import FORMATS, GRANULARITIES

_MEANINGS = {
    400: "A field is missing or wrong.",
    401: "The bearer token is missing or wrong.",
    403: "A page of another origin asked.",
    404: "There is no such model.",
    408: "The body did not come in time.",
    413: "The body, the recording or the texts are too long.",
    415: "The body is of another media type.",
    421: "The service has another host name.",
    429: "Busy; Retry-After says when to try again.",
    500: "The model failed.",
    503: "The service is shutting down.",
    504: "No answer in time.",
}
_READING = (401, 403, 421, 503)
_WORKING = (400, 404, 408, 413, 415, 429, 500, 504)


def _object(required=(), **properties):
    found = {"type": "object", "properties": properties}
    if required:
        found["required"] = list(required)
    return found


def _array(items, **more):
    return {"type": "array", "items": items, **more}


_TEXT, _NUMBER = {"type": "string"}, {"type": "number"}
_INTEGER, _FLAG = {"type": "integer"}, {"type": "boolean"}


def _nullable(kind, **more):
    return {"type": [kind, "null"], **more}


def _texts(settings):
    # Limits of the whole request, beyond which it is too large (413).
    about = (
        f"At most {settings.max_texts} texts of {settings.max_characters} "
        "characters together."
    )
    return {
        "oneOf": [_TEXT, _array(_TEXT, minItems=1)],
        "description": about,
    }


_ERROR = _object(
    ("error",),
    error=_object(
        ("message", "type", "param", "code"),
        message=_TEXT,
        type=_TEXT,
        param=_nullable("string"),
        code=_nullable("string"),
    ),
)
_PLAIN_ERROR = _object(("error",), error=_TEXT)
_WORD = _object(
    ("word", "start", "end"),
    word=_TEXT,
    start=_NUMBER,
    end=_NUMBER,
    confidence=_NUMBER,
)
_SEGMENT = _object(
    ("id", "start", "end", "text"),
    id=_INTEGER,
    seek=_INTEGER,
    start=_NUMBER,
    end=_NUMBER,
    text=_TEXT,
    tokens=_array(_INTEGER),
    temperature=_NUMBER,
    avg_logprob=_NUMBER,
    compression_ratio=_NUMBER,
    no_speech_prob=_NUMBER,
)
_TRANSCRIPTION = _object(
    ("text",),
    text=_TEXT,
    task=_TEXT,
    language=_TEXT,
    duration=_NUMBER,
    words=_array(_WORD),
    segments=_array(_SEGMENT),
)
_ALIGNMENT = _object(
    ("source", "target", "weights"),
    source=_array(_TEXT),
    target=_array(_TEXT),
    weights=_array(_array(_NUMBER)),
)
_MODEL = _object(
    ("id", "object", "created", "owned_by", "kind"),
    id=_TEXT,
    object=_TEXT,
    created=_INTEGER,
    owned_by=_TEXT,
    kind=_TEXT,
    preset=_TEXT,
    language=_nullable("string"),
    streams=_FLAG,
)


def _either(schema):
    return {"oneOf": [schema, _array(schema)]}


def _answer(schema, media=JSON, about="Done."):
    return {"description": about, "content": {media: {"schema": schema}}}


def _body(schemas):
    """A body that has to be there: dict of media type to schema."""
    content = {media: {"schema": found} for media, found in schemas.items()}
    return {"required": True, "content": content}


def _operation(path, name, summary, answers, statuses=(), **more):
    """An operation, with the errors that it and the guard before it give."""
    error = _PLAIN_ERROR if path == "/translate" else _ERROR
    told = sorted({*_READING, *statuses})
    if path in OPEN_PATHS:
        more["security"] = []
        told.remove(401)
    return {
        "operationId": name,
        "summary": summary,
        "responses": {
            "200": answers,
            **{str(s): _answer(error, about=_MEANINGS[s]) for s in told},
        },
        **more,
    }


def _transcribe(path, settings):
    body = _object(
        ("file",),
        file={"type": "string", "format": "binary"},
        model=_TEXT,
        response_format={"type": "string", "enum": list(FORMATS)},
        language=_TEXT,
        temperature={"type": "number", "minimum": 0, "maximum": 1},
        **{
            "timestamp_granularities[]": _array(
                {"type": "string", "enum": list(GRANULARITIES)}
            )
        },
    )
    answer = _answer(_TRANSCRIPTION)
    for media in ("text/plain", "text/vtt"):
        answer["content"][media] = {"schema": _TEXT}
    return _operation(
        path,
        "transcribe",
        "A recording to text, as OpenAI's clients ask for it.",
        answer,
        _WORKING,
        requestBody=_body({MULTIPART: body}),
    )


def _translate(path, settings):
    fields = {
        "source": _nullable("string"),
        "target": _nullable("string"),
        "format": _nullable("string", enum=["text", None]),
        "model": _nullable("string"),
        "beam": _nullable("integer", minimum=1, maximum=MOST_BEAMS),
        "alignment": _nullable("boolean"),
    }
    answer = _object(
        ("translatedText",),
        translatedText=_either(_TEXT),
        alignment=_either(_ALIGNMENT),
    )
    return _operation(
        path,
        "translate" if path == "/v1/translate" else "libretranslate",
        "Texts in another language, as LibreTranslate's clients ask for it.",
        _answer(answer),
        _WORKING,
        requestBody=_body(
            {
                JSON: _object(("q",), q=_texts(settings), **fields),
                FORM: _object(
                    ("q",),
                    q=_TEXT,
                    source=_TEXT,
                    target=_TEXT,
                    format={"type": "string", "enum": ["text"]},
                ),
            }
        ),
    )


def _classify(path, settings):
    entry = _object(
        ("index", "label", "score", "scores"),
        index=_INTEGER,
        label=_TEXT,
        score=_NUMBER,
        scores={"type": "object", "additionalProperties": _NUMBER},
        num_tokens=_INTEGER,
        known_tokens=_INTEGER,
        truncated=_FLAG,
        attention=_array(
            _object(("token", "weight"), token=_TEXT, weight=_NUMBER)
        ),
    )
    fields = {
        "input": _texts(settings),
        "model": _nullable("string"),
        "attention": _nullable("boolean"),
    }
    return _operation(
        path,
        "classify",
        "Labels of texts, with the weight of each word if asked for.",
        _answer(
            _object(
                ("object", "model", "data"),
                object=_TEXT,
                model=_TEXT,
                data=_array(entry),
            )
        ),
        _WORKING,
        requestBody=_body({JSON: _object(("input",), **fields)}),
    )


def _embed(path, settings):
    entry = _object(
        ("object", "index", "embedding"),
        object=_TEXT,
        index=_INTEGER,
        embedding={"oneOf": [_array(_NUMBER), _TEXT]},
    )
    fields = {
        "input": _texts(settings),
        "model": _nullable("string"),
        "encoding_format": _nullable("string", enum=[*ENCODINGS, None]),
        "dimensions": _nullable("integer", minimum=1, maximum=MOST_DIMENSIONS),
    }
    return _operation(
        path,
        "embed",
        "Vectors of texts, as OpenAI's clients ask for them; as base64 "
        "little-endian float32.",
        _answer(
            _object(
                ("object", "model", "data", "usage"),
                object=_TEXT,
                model=_TEXT,
                data=_array(entry),
                usage=_object(
                    ("prompt_tokens", "total_tokens"),
                    prompt_tokens=_INTEGER,
                    total_tokens=_INTEGER,
                ),
            )
        ),
        _WORKING,
        requestBody=_body({JSON: _object(("input",), **fields)}),
    )


def _search(path):
    part = _object(("text", "match"), text=_TEXT, match=_FLAG)
    found = _object(
        ("file", "line", "parts"),
        file=_TEXT,
        line=_INTEGER,
        parts=_array(part),
    )
    return _operation(
        path,
        "search",
        "Passages of the folder's texts.",
        _answer(_object(("query", "data"), query=_TEXT, data=_array(found))),
        (400, 404),
        parameters=[
            {
                "name": "q",
                "in": "query",
                "required": True,
                "schema": {
                    "type": "string",
                    "minLength": 1,
                    "maxLength": MOST_QUERY_CHARACTERS,
                    "pattern": r"\S",
                },
            },
            {
                "name": "limit",
                "in": "query",
                "schema": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_FOUND,
                },
            },
        ],
    )


def document(settings):
    """The description of a service, as a dict that is JSON.

    Args:
        settings: Settings, for the limits that it tells.
    """
    health = _object(
        ("status", "workers", "waiting"),
        status=_TEXT,
        workers=_INTEGER,
        waiting=_INTEGER,
        search=_FLAG,
        token=_FLAG,
    )
    language = _object(
        ("code", "name", "targets"),
        code=_TEXT,
        name=_TEXT,
        targets=_array(_TEXT),
    )
    listed = _object(("object", "data"), object=_TEXT, data=_array(_MODEL))
    paths = {
        "/v1/audio/transcriptions": {"post": _transcribe},
        "/v1/translate": {"post": _translate},
        "/translate": {"post": _translate},
        "/v1/classify": {"post": _classify},
        "/v1/embeddings": {"post": _embed},
    }
    found = {
        path: {method: make(path, settings) for method, make in made.items()}
        for path, made in paths.items()
    }
    for path, name, summary, schema in (
        ("/v1/models", "listModels", "The models.", listed),
        ("/healthz", "health", "Whether workers run.", health),
        ("/languages", "languages", "The languages.", _array(language)),
    ):
        get = _operation(path, name, summary, _answer(schema))
        found[path] = {"get": get}
    found["/v1/models/{model}"] = {
        "get": _operation(
            "/v1/models/{model}",
            "getModel",
            "One model.",
            _answer(_MODEL),
            (404,),
            parameters=[
                {
                    "name": "model",
                    "in": "path",
                    "required": True,
                    "schema": _TEXT,
                }
            ],
        )
    }
    found["/v1/search"] = {"get": _search("/v1/search")}
    found["/metrics"] = {
        "get": _operation(
            "/metrics",
            "metrics",
            "Figures for Prometheus.",
            _answer(_TEXT, "text/plain"),
        )
    }
    described = {
        "openapi": "3.1.0",
        "info": {
            "title": "keras_selfattn",
            "version": __version__,
            "description": "Live speech goes by the WebSocket "
            "/v1/audio/stream; docs/serving.md has its frames.",
        },
        "paths": found,
    }
    if settings.token is not None:
        described["components"] = {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}}
        }
        described["security"] = [{"bearer": []}]
    return described
