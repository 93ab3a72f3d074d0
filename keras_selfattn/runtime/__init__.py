"""What a device needs: numpy and ai-edge-litert, never Keras or a backend."""

from importlib import import_module

_HOMES = {
    "Answer": "keras_selfattn.runtime.text_to_text",
    "Classification": "keras_selfattn.decoding.classification",
    "Classifier": "keras_selfattn.runtime.text_classifier",
    "Generation": "keras_selfattn.runtime.text_generator",
    "ImageGenerator": "keras_selfattn.runtime.image_generator",
    "MaskFiller": "keras_selfattn.runtime.mask_filler",
    "ModelError": "keras_selfattn.runtime.model_file",
    "MoonshineTranscriber": "keras_selfattn.runtime.dictation_transcriber",
    "PresetError": "keras_selfattn.runtime.preset_folder",
    "SpeechSearch": "keras_selfattn.runtime.speech_search",
    "StreamingTranscriber": "keras_selfattn.runtime.streaming_transcriber",
    "TextGenerator": "keras_selfattn.runtime.text_generator",
    "TextToText": "keras_selfattn.runtime.text_to_text",
    "Transcriber": "keras_selfattn.runtime.transcriber",
    "Transcript": "keras_selfattn.runtime.transcriber",
    "Translation": "keras_selfattn.runtime.translator",
    "Translator": "keras_selfattn.runtime.translator",
    "WhisperTranscriber": "keras_selfattn.runtime.dictation_transcriber",
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__():
    return __all__
