"""Text in another language with one .tflite file, without Keras."""

import time
from dataclasses import asdict, dataclass

from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    banned_ids,
    cut_lines,
    join_pieces,
)
from keras_selfattn.runtime.model_file import (
    ModelError,
    build_tokenizer,
    model_path,
    read_metadata,
)
from keras_selfattn.runtime.text_search import TextSearch
from keras_selfattn.runtime.translation_alignment import Alignment, align

REQUIRED = (
    "tokenizer",
    "target_tokenizer",
    "max_source_tokens",
    "max_target_tokens",
    "cache_shape",
    "signature",
)
BLANK = "\u2581"  # how SentencePiece writes a blank that is a piece


@dataclass(frozen=True)
class Translation:
    """A line in the other language.

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


class Translator:
    """Translates lines of text with an exported file.

    It needs numpy and ai-edge-litert; no Keras. Greedy search and the beam
    that the file was exported with (4; `metadata["beam"]`) run inside the
    file. Other beams, `no_repeat_ngram`, and all beams of a file without the
    signature `translate_beam`, are searched here, over its `encode` and
    `decode_step`, several times slower. A line that is too long is cut into
    sentences (if need be clauses, words), which are translated one by one
    and joined with blanks. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `task.export` wrote, or of a
            preset folder (its `model.tflite` is checked against its sha256).
        num_threads: int >= 1; threads the interpreter may use. Default 1.

    Raises:
        ModelError: not a .tflite file, not that of a translator, or it needs
            operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
        >>> translator = Translator("en-de.tflite")
        >>> translator.translate("A dog runs.").text
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, REQUIRED, "translator")
        self._tokenizer = build_tokenizer(self.path, self.metadata["tokenizer"])
        self._writer = self._tokenizer
        if self.metadata["target_tokenizer"] is not None:
            self._writer = build_tokenizer(
                self.path, self.metadata["target_tokenizer"], "target_tokenizer"
            )
        self._search = TextSearch(
            self.path,
            self.metadata,
            BOS_ID,
            EOS_ID,
            banned_ids(self._writer, self.metadata.get("rules", "gnmt")),
            "translate_beam",
            num_threads,
        )

    def translate(self, text, beam=1, alpha=1.0, no_repeat_ngram=0):
        """Return the `Translation` of one line.

        Args:
            text: str; of an empty line the translation is empty.
            beam: int >= 1, texts kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            no_repeat_ngram: int, so many tokens in a row stand once in a
                translation; 0 for no such rule.

        Raises:
            ValueError: it is no str, or a setting is out of range.
        """
        started = time.perf_counter()
        rows, owners = cut_lines(
            [text], self._tokenizer, self.metadata["max_source_tokens"]
        )
        written = [
            self._search.write(row, beam, alpha, no_repeat_ngram)
            for row in rows
        ]
        (found,) = join_pieces(1, owners, written, self._writer)
        seconds = time.perf_counter() - started
        return Translation(found["text"], found["token_ids"], seconds)

    def align(self, text):
        """Return the `Alignment` of one line with its greedy translation.

        See `translation_alignment.align`; it takes about as long as a
        translation with a wide beam.

        Args:
            text: str, that the model reads as a whole; of an empty line the
                alignment is empty.

        Raises:
            ModelError: the text is longer than that.
        """
        limit = self.metadata["max_source_tokens"]
        rows, _ = cut_lines([text], self._tokenizer, limit)
        if not rows:
            return Alignment([], [], [])
        if len(rows) > 1:
            raise ModelError(
                f"the text is longer than the {limit} tokens that the model "
                "reads at once; align its sentences one by one."
            )
        target, weights = align(self._search, rows[0])
        return Alignment(
            [self._tokenizer.decode([i]) or BLANK for i in rows[0][:-1]],
            [self._writer.decode([i]) or BLANK for i in target],
            weights,
        )
