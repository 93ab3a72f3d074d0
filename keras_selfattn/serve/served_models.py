"""The models that a service has: found, checked and opened once by name."""

from dataclasses import dataclass
from pathlib import Path

from keras_selfattn import zoo
from keras_selfattn.runtime import metadata, preset_folder
from keras_selfattn.runtime.model_file import ModelError, model_path
from keras_selfattn.runtime.speech_search import preset_language_model
from keras_selfattn.serve.service_error import ServiceError

TRANSCRIPTION, TRANSLATION = "transcription", "translation"
CLASSIFICATION, EMBEDDING = "classification", "embedding"
# Task in a file's metadata -> what the service does with it.
_KINDS = {
    "SpeechRecognizer": TRANSCRIPTION,
    "WhisperRecognizer": TRANSCRIPTION,
    "MoonshineRecognizer": TRANSCRIPTION,
    "Translator": TRANSLATION,
    "TextClassifier": CLASSIFICATION,
    "MaskedLM": EMBEDDING,
}


@dataclass(frozen=True)
class ServedModel:
    """A model of the service; plain values, so that it travels to workers.

    Args:
        name: str, what requests call it: as it was given to the command.
        preset: str, the name of its preset, or of its file.
        kind: "transcription", "translation", "classification" or "embedding".
        path: str, of the .tflite file.
        language: str such as "en" or "zh-en", or None where none is told.
        language_model: str, path of the recogniser's, or None.
        streams: bool, whether it hears while it is spoken.
        created: int, when its file was written, in seconds since 1970.
    """

    name: str
    preset: str
    kind: str
    path: str
    language: str | None = None
    language_model: str | None = None
    streams: bool = False
    created: int = 0


def open_models(names, making=None):
    """The models of these presets, their files checked.

    Args:
        names: preset names or aliases, preset folders, or .tflite files.
        making: function of a preset's name, called before its file is made;
            see `zoo.device_file`.

    Returns:
        list of ServedModel.

    Raises:
        PresetError, ModelError: one cannot be found or was changed, is of a
            task that is not served, or is given twice.
    """
    found = [_open(str(name), making) for name in names]
    twice = {m.name for m in found if [n.name for n in found].count(m.name) > 1}
    if twice:
        raise ModelError(
            f"{', '.join(sorted(twice))} given twice; name each preset once."
        )
    return found


def _open(name, making):
    is_file = name.endswith(".tflite") or Path(name).is_file()
    source = Path(name) if is_file else zoo.resolve(name)
    path = model_path(source) if is_file else zoo.device_file(source, making)
    about = metadata.read(path)
    kind = _KINDS.get(about.get("task"))
    if kind is None:
        raise ModelError(
            f"{name} is a {about.get('task')}; the service has "
            f"{', '.join(sorted(_KINDS))}."
        )
    language, preset = None, path.stem
    if source.is_dir():
        contents = preset_folder.read(source)
        language, preset = contents.get("language"), contents["name"]
    lm = None
    if about["task"] == "SpeechRecognizer":
        lm = preset_language_model(source, required=False)
    return ServedModel(
        # A path says more of this machine than a client needs to know.
        name=Path(name).stem if is_file or source == Path(name) else name,
        preset=preset,
        kind=kind,
        path=str(path),
        language=language,
        language_model=None if lm is None else str(lm),
        streams="stream" in about,
        created=int(path.stat().st_mtime),
    )


def choose(models, kind, name):
    """The model of a kind that a request names.

    Args:
        models: list of ServedModel.
        kind: str.
        name: str, or None for the first of the kind.

    Raises:
        ServiceError: 404, there is none.
    """
    of_kind = [model for model in models if model.kind == kind]
    for model in of_kind:
        if name is None or name in (model.name, model.preset):
            return model
    if not of_kind:
        raise ServiceError(
            404, f"This service has no model for {kind}.", "model_not_found"
        )
    known = ", ".join(model.name for model in of_kind)
    raise ServiceError(
        404,
        f"The model {name[:80]!r} does not exist for {kind}; this service has: "
        f"{known}.",
        "model_not_found",
        "model",
    )
