"""Self-attention models for speech and text, in Keras on any backend.

Importing this package loads nothing else: neither Keras, nor a backend, nor
numpy. Its names are imported when they are first used.
"""

from importlib import import_module

__version__ = "0.1.0"

_SUBPACKAGES = (
    "convert",
    "data",
    "decoding",
    "export",
    "layers",
    "losses",
    "metrics",
    "models",
    "plots",
    "preprocessing",
    "runtime",
    "tasks",
    "training",
    "zoo",
)
_HOMES = {
    "Classification": "decoding.classification",
    "Classifier": "runtime.text_classifier",
    "MaskedLM": "tasks.masked_lm",
    "MultiHeadSelfAttention": "layers.self_attention",
    "SpeechRecognizer": "tasks.speech_recognizer",
    "StreamingTranscriber": "runtime.streaming_transcriber",
    "TextClassifier": "tasks.text_classifier",
    "Transcriber": "runtime.transcriber",
    "Transcript": "runtime.transcriber",
}

__all__ = sorted((*_SUBPACKAGES, *_HOMES, "__version__"))


def __getattr__(name):
    if name in _SUBPACKAGES:
        return import_module(f"{__name__}.{name}")
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return __all__
