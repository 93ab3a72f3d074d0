"""Tasks: what users load, fit, call and export."""

from keras_selfattn.tasks.causal_lm import CausalLM
from keras_selfattn.tasks.hybrid_recognizer import HybridRecognizer
from keras_selfattn.tasks.image_generator import ImageGenerator
from keras_selfattn.tasks.masked_lm import MaskedLM
from keras_selfattn.tasks.moonshine_recognizer import MoonshineRecognizer
from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from keras_selfattn.tasks.task import Task
from keras_selfattn.tasks.text_classifier import TextClassifier
from keras_selfattn.tasks.text_to_text import TextToText
from keras_selfattn.tasks.translator import Translator
from keras_selfattn.tasks.whisper_recognizer import WhisperRecognizer

__all__ = [
    "CausalLM",
    "HybridRecognizer",
    "ImageGenerator",
    "MaskedLM",
    "MoonshineRecognizer",
    "SpeechRecognizer",
    "Task",
    "TextClassifier",
    "TextToText",
    "Translator",
    "WhisperRecognizer",
]
