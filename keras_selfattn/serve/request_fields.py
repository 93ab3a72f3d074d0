"""The fields of a request: read from JSON or a form, checked, or refused."""

import json

from starlette.formparsers import MultiPartException

from keras_selfattn.serve.service_error import ServiceError

MAX_FIELDS = 40
MAX_FIELD_BYTES = 1 << 20
JSON, FORM = "application/json", "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"


def invalid(message, param=None, status=400):
    """The refusal of a field's value."""
    return ServiceError(status, message, "invalid_value", param)


def content_type(request):
    """The media type of a request's body, in lower case."""
    given = request.headers.get("content-type", "")
    return given.partition(";")[0].strip().lower()


async def read_fields(request, types=(JSON,)):
    """The fields of a body as a dict.

    Args:
        request: starlette Request.
        types: media types that are read, of JSON, FORM and MULTIPART.

    Returns:
        dict of str to what JSON has, or to str.

    Raises:
        ServiceError: 415, another type; 400, not JSON, no object, or no form.
    """
    found = content_type(request)
    if found not in types:
        raise ServiceError(
            415,
            f"The body is {found[:60] or 'of no type'}; expected "
            f"{' or '.join(types)}.",
            "unsupported_media_type",
        )
    if found != JSON:
        form = await read_form(request)
        return {
            name: value for name, value in form.items() if type(value) is str
        }
    body = await request.body()
    try:
        fields = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise ServiceError(
            400, "The body is not valid JSON.", "invalid_json"
        ) from None
    if not isinstance(fields, dict):
        raise ServiceError(400, "The body is no JSON object.", "invalid_json")
    return fields


async def read_form(request):
    """The form in a request's body.

    Raises:
        ServiceError: 400, it is none, or has too many parts.
    """
    from starlette.exceptions import HTTPException

    try:
        return await request.form(
            max_files=4, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES
        )
    except (HTTPException, MultiPartException, ValueError, KeyError) as error:
        detail = getattr(error, "detail", None) or "it cannot be parsed"
        raise ServiceError(
            400, f"The form is broken: {str(detail).rstrip('.')}.", "bad_form"
        ) from None


def text(fields, name, default=None):
    """A field that is a str, or missing or null: then `default`.

    Raises:
        ServiceError: 400, it is no str.
    """
    value = fields.get(name)
    if value is None:
        return default
    if not isinstance(value, str):
        raise invalid(f"{name} has to be a string.", name)
    return value


def flag(fields, name):
    """A field that is true or false; missing is false."""
    value = fields.get(name)
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    raise invalid(f"{name} has to be true or false.", name)


def integer(fields, name, default, low, high):
    """A field that is an integer from `low` to `high`."""
    value = fields.get(name)
    if value is None:
        return default
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:9])
    if type(value) is not int or not low <= value <= high:
        raise invalid(f"{name} has to be from {low} to {high}.", name)
    return value


def choice(fields, name, default, allowed):
    """A field that is one of `allowed`."""
    value = text(fields, name, default)
    if value not in allowed:
        raise invalid(
            f"{name} is {value[:40]!r}; expected {', '.join(allowed)}.", name
        )
    return value


def texts(fields, name, settings):
    """A field that is a text or a list of texts.

    Args:
        fields: dict.
        name: str.
        settings: Settings, for the limits.

    Returns:
        list of str, and bool, whether it was a list.

    Raises:
        ServiceError: 400, missing, empty or something else; 413, too much.
    """
    value = fields.get(name)
    if value is None:
        raise invalid(f"{name} is missing.", name)
    is_list = isinstance(value, list)
    found = value if is_list else [value]
    if not found or not all(isinstance(item, str) for item in found):
        raise invalid(f"{name} has to be a string or a list of them.", name)
    if len(found) > settings.max_texts:
        raise invalid(
            f"{name} has {len(found)} texts; at most {settings.max_texts} are "
            "answered at once.",
            name,
            413,
        )
    length = sum(map(len, found))
    if length > settings.max_characters:
        raise invalid(
            f"{name} has {length} characters; at most "
            f"{settings.max_characters} are answered at once.",
            name,
            413,
        )
    # A lone surrogate of JSON's \u escapes is no text that can be written.
    return [
        item.encode("utf-8", "replace").decode("utf-8") for item in found
    ], is_list


def _no_constant(name):
    raise ValueError(f"{name} is no JSON.")
