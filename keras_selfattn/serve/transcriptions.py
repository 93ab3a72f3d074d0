"""`POST /v1/audio/transcriptions`: a recording to text, as OpenAI has it."""

from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse, PlainTextResponse

from keras_selfattn.serve import subtitles
from keras_selfattn.serve.request_fields import (
    MULTIPART,
    choice,
    content_type,
    invalid,
    read_form,
    text,
)
from keras_selfattn.serve.served_models import TRANSCRIPTION, choose
from keras_selfattn.serve.service_error import ServiceError

FORMATS = ("json", "text", "srt", "verbose_json", "vtt")
GRANULARITIES = ("word", "segment")
# What OpenAI's answers call the languages of the shipped presets.
LANGUAGES = {"en": "english", "zh": "chinese", "de": "german"}


async def transcriptions(request):
    """Answer a request to transcribe a recording."""
    service = request.app.state.service
    if content_type(request) != MULTIPART:
        raise ServiceError(
            415, f"Expected a body of {MULTIPART}.", "unsupported_media_type"
        )
    form = await read_form(request)
    try:
        return await _answer(service, form)
    finally:
        await form.close()


async def _answer(service, form):
    fields = {k: v for k, v in form.items() if isinstance(v, str)}
    if "model" in form and "model" not in fields:
        raise invalid("model has to be a string.", "model")
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise invalid("file is missing: expected a sound file.", "file")
    if upload.size == 0:
        raise invalid("file is empty.", "file")
    model = choose(service.models, TRANSCRIPTION, text(fields, "model"))
    form_of_answer = choice(fields, "response_format", "json", FORMATS)
    wanted = [
        *form.getlist("timestamp_granularities[]"),
        *form.getlist("timestamp_granularities"),
    ]
    if [item for item in wanted if item not in GRANULARITIES]:
        raise invalid(
            "timestamp_granularities has to be word or segment.",
            "timestamp_granularities",
        )
    if wanted and form_of_answer != "verbose_json":
        raise invalid(
            "timestamp_granularities goes with response_format verbose_json.",
            "timestamp_granularities",
        )
    language = fields.get("language", "").lower()
    names = {model.language, LANGUAGES.get(model.language)}
    if language and model.language and language not in names:
        raise invalid(
            f"The model {model.name} hears {model.language!r}, not "
            f"{language[:40]!r}.",
            "language",
        )
    _check_temperature(fields)
    path = await service.keep(upload)
    try:
        found = await service.answer(model, upload.size or 0, path=str(path))
    finally:
        path.unlink(missing_ok=True)
    service.figures.audio_seconds.labels("recording").inc(found["duration_s"])
    return _response(found, form_of_answer, wanted or ["segment"], model)


def _check_temperature(fields):
    """OpenAI's clients may send one; the search draws nothing by it."""
    try:
        fine = 0 <= float(fields.get("temperature") or 0) <= 1
    except ValueError:
        fine = False
    if not fine:
        raise invalid("temperature has to be from 0 to 1.", "temperature")


def _response(found, form_of_answer, wanted, model):
    if form_of_answer == "json":
        return JSONResponse({"text": found["text"]})
    if form_of_answer == "text":
        return PlainTextResponse(found["text"] + "\n")
    parts = subtitles.segments(found)
    if form_of_answer == "srt":
        return PlainTextResponse(subtitles.srt(parts))
    if form_of_answer == "vtt":
        return PlainTextResponse(
            subtitles.vtt(parts), media_type="text/vtt; charset=utf-8"
        )
    answer = {
        "task": "transcribe",
        "language": LANGUAGES.get(model.language, model.language or ""),
        "duration": found["duration_s"],
        "text": found["text"],
    }
    if "word" in wanted:
        answer["words"] = [
            {
                "word": word["word"],
                "start": word["start_s"],
                "end": word["end_s"],
                "confidence": word["confidence"],
            }
            for word in found["words"]
        ]
    if "segment" in wanted:
        answer["segments"] = parts
    return JSONResponse(answer)
