"""A worker: a process that has every model and answers one job at a time.

Whatever a recording makes a decoder do, it does it here and not in the process
that holds the connections. A worker reads lists of jobs from a pipe and writes
an answer as soon as each is there, so that the first of a list does not wait
for the last. It ends when the pipe does.
"""

import os
import signal
import sys
import tempfile
import traceback
from functools import lru_cache

from keras_selfattn.serve.served_models import (
    CLASSIFICATION,
    EMBEDDING,
    TRANSCRIPTION,
    TRANSLATION,
)

READY = "ready"


def work(connection, models, max_audio_seconds):
    """Answer jobs until the pipe ends; the target of a process.

    Args:
        connection: end of a `multiprocessing.Pipe`. Lists of (number of the
            job, name of a model, dict of what is asked) come in; (number,
            status, answer) go out, with status 200 and a dict, or a status
            of HTTP and a sentence.
        models: list of ServedModel.
        max_audio_seconds: float.
    """
    # Signals go to a whole group; what was accepted is still to be finished.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    # Interpreters and decoders print what no operator asked for.
    kept = os.dup(2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stderr = os.fdopen(kept, "w", buffering=1)
    answerer = Answerer(models, max_audio_seconds)
    try:
        answerer.open_all()
    except Exception as error:
        connection.send((READY, 500, " ".join(str(error).split())))
        return
    connection.send((READY, 200, os.getpid()))
    while True:
        try:
            jobs = connection.recv()
        except (EOFError, OSError):
            return
        for number, name, asked in jobs:
            try:
                connection.send((number, *answerer.answer(name, asked)))
            except (BrokenPipeError, OSError):
                return


class Answerer:
    """Answers requests with the device runtime.

    Args:
        models: list of ServedModel.
        max_audio_seconds: float, of a recording.
    """

    def __init__(self, models, max_audio_seconds=900.0):
        self._models = {model.name: model for model in models}
        self._max_audio_seconds = max_audio_seconds
        self._opened = lru_cache(maxsize=None)(self._open)

    def open_all(self):
        """Open every model now, so that no request waits for it."""
        for name in self._models:
            self._opened(name)

    def answer(self, name, asked):
        """Answer one request.

        Args:
            name: str, of a model.
            asked: dict: "path" of a recording; or "texts" and "beam",
                "alignment" (translation), or "attention" (classification),
                or no more (embedding).

        Returns:
            int, status of HTTP, and a dict or a sentence.
        """
        kind = self._models[name].kind
        run = {
            TRANSCRIPTION: self._transcribe,
            TRANSLATION: self._translate,
            CLASSIFICATION: self._classify,
            EMBEDDING: self._embed,
        }[kind]
        try:
            return 200, run(self._opened(name), **asked)
        except MemoryError:
            return 413, "The request needs more memory than there is."
        except ValueError as error:
            from keras_selfattn.preprocessing.audio import AudioTooLong

            status = 413 if isinstance(error, AudioTooLong) else 400
            sentence = " ".join(str(error).split())
            # Where the file lies here is nobody's business.
            return status, sentence.replace(asked.get("path", "\0"), "file")
        except Exception:
            print(f"{name}:\n{traceback.format_exc()}", file=sys.stderr)
            return 500, "The model could not answer; see the service's log."

    def _open(self, name):
        model = self._models[name]
        if model.kind == TRANSLATION:
            from keras_selfattn.runtime.translator import Translator

            return Translator(model.path)
        if model.kind == CLASSIFICATION:
            from keras_selfattn.runtime.text_classifier import Classifier

            return Classifier(model.path)
        if model.kind == EMBEDDING:
            from keras_selfattn.runtime.mask_filler import MaskFiller

            found = MaskFiller(model.path)
            found.embed("")  # it is read where it is first needed
            return found
        from keras_selfattn.runtime.dictation_transcriber import (
            open_transcriber,
        )

        return open_transcriber(model.path), speech_search(model)

    def _transcribe(self, opened, path):
        from keras_selfattn.preprocessing.audio import read_audio

        transcriber, search = opened
        samples = read_audio(
            path, transcriber.sampling_rate_hz, self._max_audio_seconds
        )
        return transcriber.transcribe(samples, search=search).to_dict()

    def _translate(self, translator, texts, beam=1, alignment=False):
        answers = []
        for text in texts:
            answer = {"text": translator.translate(text, beam=beam).text}
            if alignment:
                answer["alignment"] = translator.align(text).to_dict()
            answers.append(answer)
        return {"translations": answers}

    def _classify(self, classifier, texts, attention=False):
        answers = []
        for text in texts:
            answer = classifier.classify(text).to_dict()
            if attention and classifier.has_attention:
                tokens, weights = classifier.weights(text)
                answer["attention"] = [
                    {"token": token, "weight": float(weight)}
                    for token, weight in zip(tokens, weights)
                ]
            answers.append(answer)
        return {"classifications": answers}

    def _embed(self, model, texts):
        return {
            "embeddings": model.embed(texts),  # float32 (B, D)
            "tokens": sum(len(model.tokenizer.encode(text)) for text in texts),
        }


def speech_search(model):
    """The search of a recogniser with its language model, or None."""
    if model.language_model is None:
        return None
    from keras_selfattn.runtime.speech_search import SpeechSearch

    return SpeechSearch(language_model=model.language_model)


def upload_folder():
    """A folder of this process for recordings; removed with it."""
    return tempfile.TemporaryDirectory(prefix="keras-selfattn-")
