"""Text in another language with one .tflite file, without Keras.

Shapes: `S` source tokens, `R` rows (the beam), `V` vocabulary.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np

from keras_selfattn.decoding.beam_search import beam_search
from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config
from keras_selfattn.preprocessing.translation_text import (
    BOS_ID,
    EOS_ID,
    PAD_ID,
    banned_ids,
    cut_lines,
    join_pieces,
)
from keras_selfattn.runtime.model_file import (
    ModelError,
    ModelFile,
    model_path,
    read_metadata,
)

REQUIRED = (
    "tokenizer",
    "target_tokenizer",
    "max_source_tokens",
    "max_target_tokens",
    "cache_shape",
    "signature",
)
# In a packed cache; see `tasks.translation_graph`.
ROWS_AXIS, PLACES_AXIS = 1, 3
LENGTH_MULTIPLE = 4  # of the sources that are given to the file
CACHE_STEP = 16  # a cache is made longer by so many places when it is full


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
        self._tokenizer = self._built_tokenizer("tokenizer")
        self._writer = self._tokenizer
        if self.metadata["target_tokenizer"] is not None:
            self._writer = self._built_tokenizer("target_tokenizer")
        self._num_threads = num_threads
        self._greedy = self._opened(
            self.metadata["signature"], ["source_ids"], ["token_ids"]
        )
        self._beam = self._parts = None

    def _built_tokenizer(self, name):
        try:
            return tokenizer_from_config(self.metadata[name])
        except (TypeError, ValueError) as error:
            raise ModelError(
                f"{self.path}: the {name} in its metadata cannot be built "
                f"({error}); upgrade: pip install -U keras-selfattn."
            ) from None

    def _opened(self, signature, inputs, outputs):
        return ModelFile(
            self.path, signature, inputs, outputs, self._num_threads
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
        written = []
        for row in rows:
            source = np.array(row, "int32")
            if beam not in (1, self.metadata.get("beam")) or no_repeat_ngram:
                written.append(
                    self._search(source, beam, alpha, no_repeat_ngram)
                )
            else:
                written.append(self._search_inside(source, beam, alpha))
        (found,) = join_pieces(1, owners, written, self._writer)
        seconds = time.perf_counter() - started
        return Translation(found["text"], found["token_ids"], seconds)

    def _search_inside(self, source, beam, alpha):
        """The search of the file itself: token ids, and their score."""
        # The interpreter plans its memory anew for each length: take few.
        more = -len(source) % LENGTH_MULTIPLE
        if len(source) + more <= self.metadata["max_source_tokens"]:
            source = np.pad(source, (0, more), constant_values=PAD_ID)
        sources = source[np.newaxis]
        if beam == 1:
            found = self._greedy.run_rows(source_ids=sources)
            score = 0.0
        else:
            if alpha < 0:
                raise ValueError(f"alpha={alpha}; expected alpha >= 0.")
            if self._beam is None:
                self._beam = self._opened(
                    "translate_beam",
                    ["source_ids", "alpha"],
                    ["token_ids", "scores"],
                )
            found = self._beam.run_rows(
                source_ids=sources, alpha=np.array(alpha, "float32")
            )
            score = float(found["scores"][0])
        ids = found["token_ids"][0]
        return ids[ids != PAD_ID], score

    def _search(self, source, beam, alpha, no_repeat_ngram):
        if self._parts is None:
            self._parts = (
                self._opened("encode", ["source_ids"], ["context"]),
                self._opened(
                    "decode_step",
                    ["token_ids", "position", "cache", "context", "source_ids"],
                    ["logits", "cache"],
                ),
            )
        encode, decode_step = self._parts
        sources = np.repeat(source[np.newaxis], beam, axis=0)  # (R, S)
        context = encode.run_rows(source_ids=sources[:1])["context"]
        context = np.repeat(context, beam, axis=ROWS_AXIS)
        shape = list(self.metadata["cache_shape"])
        shape[ROWS_AXIS] = beam
        shape[PLACES_AXIS] = shape[PLACES_AXIS] or CACHE_STEP

        def step(token_ids, position, state):
            if position == state.shape[PLACES_AXIS]:
                longer = [(0, 0)] * state.ndim
                longer[PLACES_AXIS] = (0, CACHE_STEP)
                state = np.pad(state, longer)
            found = decode_step.run_rows(
                token_ids=np.asarray(token_ids, "int32"),
                position=np.array(position, "int32"),
                cache=np.ascontiguousarray(np.swapaxes(state, 0, ROWS_AXIS)),
                context=context,
                source_ids=sources,
            )
            return found["logits"], np.swapaxes(found["cache"], 0, ROWS_AXIS)

        start = np.swapaxes(np.zeros(shape, "float32"), 0, ROWS_AXIS)
        rules = self.metadata.get("rules", "gnmt")
        limit = min(2 * len(source) + 10, self.metadata["max_target_tokens"])
        ((best,),) = beam_search(
            step,
            start,
            1,
            beam,
            limit,
            BOS_ID,
            EOS_ID,
            alpha,
            banned_ids=banned_ids(self._writer, rules),
            no_repeat_ngram=no_repeat_ngram,
            rules=rules,
        )
        return best
