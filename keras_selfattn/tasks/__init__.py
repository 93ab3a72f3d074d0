"""Tasks: what users load, fit, call and export."""

from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer
from keras_selfattn.tasks.task import Task

__all__ = ["SpeechRecognizer", "Task"]
