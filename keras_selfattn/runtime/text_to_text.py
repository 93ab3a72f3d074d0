"""Answers to texts with one .tflite file, without Keras."""

import time
from dataclasses import asdict, dataclass

from keras_selfattn.runtime.model_file import (
    build_tokenizer,
    model_path,
    read_metadata,
)
from keras_selfattn.runtime.text_search import TextSearch

REQUIRED = (
    "tokenizer",
    "begin_id",
    "end_id",
    "banned_ids",
    "max_source_tokens",
    "max_target_tokens",
    "cache_shape",
    "signature",
)


@dataclass(frozen=True)
class Answer:
    """What was written for a text.

    Args:
        text: str.
        token_ids: list of int, its tokens.
        seconds: float, time it took.
    """

    text: str
    token_ids: list
    seconds: float

    def to_dict(self):
        """Plain values ready for JSON."""
        return asdict(self)


class TextToText:
    """Answers texts with an exported file of the task of this name.

    It needs numpy and ai-edge-litert; no Keras. Which searches run inside the
    file, and which outside, see `TextSearch`. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder (its `model.tflite` is checked against its sha256).
        num_threads: int >= 1; threads the interpreter may use. Default 1.

    Raises:
        ModelError: not a .tflite file, not that of a text-to-text model, or
            it needs operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
        >>> model = TextToText("t5.tflite")
        >>> model.generate("translate English to German: A dog.").text
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, REQUIRED, "text-to-text model")
        self._tokenizer = build_tokenizer(self.path, self.metadata["tokenizer"])
        self._search = TextSearch(
            self.path,
            self.metadata,
            self.metadata["begin_id"],
            self.metadata["end_id"],
            self.metadata["banned_ids"],
            "generate_beam",
            num_threads,
        )

    def generate(
        self,
        text,
        beam=1,
        alpha=1.0,
        no_repeat_ngram=0,
        keep_sentinels=False,
    ):
        """Return the `Answer` to a text.

        Args:
            text: str, with its task's prefix; what is too long is left out.
            beam: int >= 1, answers kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            no_repeat_ngram: int, so many tokens in a row stand once in an
                answer; 0 for no such rule.
            keep_sentinels: bool, keep `<extra_id_0>` and the like.

        Raises:
            ValueError: it is no str, or a setting is out of range.
        """
        started = time.perf_counter()
        ids = self._tokenizer.encode(text)
        ids = ids[: self.metadata["max_source_tokens"] - 1]
        found, _ = self._search.write(
            [*ids, self.metadata["end_id"]], beam, alpha, no_repeat_ngram
        )
        written = self._tokenizer.decode(found, keep_sentinels)
        seconds = time.perf_counter() - started
        return Answer(written, [int(i) for i in found], seconds)
