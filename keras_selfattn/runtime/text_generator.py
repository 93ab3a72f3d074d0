"""What comes next in a text, with one .tflite file and without Keras.

Shapes: `R` rows, `T` tokens, `D` model dimension, `V` vocabulary.
"""

import time
from dataclasses import asdict, dataclass

import numpy as np

from keras_selfattn.decoding.causal_context import CausalContext, overlapping
from keras_selfattn.decoding.text_generation import continue_tokens
from keras_selfattn.preprocessing.causal_text import causal_ids, causal_text
from keras_selfattn.runtime.model_file import (
    ModelFile,
    build_tokenizer,
    model_path,
    read_metadata,
)

REQUIRED = (
    "tokenizer",
    "max_sequence_length",
    "cache_shape",
    "begin_id",
    "end_id",
    "banned_ids",
)
# In a packed cache; see `tasks.causal_graph`.
ROWS_AXIS, PLACES_AXIS = 1, 3
LENGTH_MULTIPLE = 8  # of the texts that are given to the file


@dataclass(frozen=True)
class Generation:
    """What follows a prompt.

    Args:
        text: str, without the prompt.
        token_ids: list of int, its tokens.
        seconds: float, time it took.
    """

    text: str
    token_ids: list
    seconds: float

    def to_dict(self):
        """Plain values ready for JSON."""
        return asdict(self)


class TextGenerator:
    """Goes on with texts and scores them with an exported language model.

    It needs numpy and ai-edge-litert; no Keras. One object serves one thread.

    Args:
        source: str or path of a .tflite file that `CausalLM.export` wrote, or
            of a preset folder (its `model.tflite` is checked against its
            sha256).
        num_threads: int >= 1; threads the interpreter may use. Default 1.

    Raises:
        ModelError: not a .tflite file, not that of a language model, or it
            needs operators that the runtime does not have.
        PresetError: the folder is not a preset, or its file was changed.

    Example:
        >>> generator = TextGenerator("model.tflite")
        >>> generator.generate("To be", 100, temperature=0.8, seed=1).text
    """

    def __init__(self, source, num_threads=1):
        self.path = model_path(source)
        self.metadata = read_metadata(self.path, REQUIRED, "language model")
        self._tokenizer = build_tokenizer(self.path, self.metadata["tokenizer"])
        self._score = ModelFile(
            self.path,
            self.metadata["signature"],
            ["token_ids"],
            ["next_ids", "log_probabilities"],
            num_threads,
        )
        self._step = ModelFile(
            self.path,
            "decode_step",
            ["token_ids", "position", "cache"],
            ["logits", "hidden", "cache"],
            num_threads,
        )

    def text_ids(self, text, ended=True):
        """Token ids of a text: begin, text and, if `ended`, end."""
        begin_id, end_id = self.metadata["begin_id"], self.metadata["end_id"]
        return causal_ids(self._tokenizer, text, begin_id, end_id, ended)

    def generate(self, prompt="", max_tokens=200, **options):
        """Goes on with a text.

        Args:
            prompt: str, what stands before.
            max_tokens: int, most tokens written.
            **options: `search` ("sample", "greedy", "beam", "contrastive"),
                `temperature`, `top_k`, `top_p`, `alpha`, `beam`,
                `no_repeat_ngram`, `num_texts`, `seed`, `rules`; see
                `decoding.text_generation.continue_tokens`.

        Returns:
            Generation; a list of them for `num_texts` above 1.

        Raises:
            ValueError: for a setting out of range, an empty prompt where the
                tokenizer has no begin, or text that it cannot encode.
        """
        started = time.perf_counter()
        ids = self.text_ids(prompt, ended=False)
        found = continue_tokens(
            self.context(len(ids) + max_tokens),
            ids,
            max_tokens,
            eos_id=self.metadata["end_id"],
            banned_ids=self.metadata["banned_ids"],
            **options,
        )
        seconds = time.perf_counter() - started
        texts = [
            Generation(causal_text(self._tokenizer, row), row.tolist(), seconds)
            for row in found
        ]
        return texts if options.get("num_texts", 1) > 1 else texts[0]

    def context(self, num_tokens):
        """A `CausalContext` with room for so many tokens, or all it sees."""
        places = min(self.metadata["max_sequence_length"], num_tokens)
        places = max(2, places)

        def empty(rows):
            shape = list(self.metadata["cache_shape"])
            shape[ROWS_AXIS], shape[PLACES_AXIS] = rows, places
            cache = np.zeros(shape, "float32")
            return np.swapaxes(cache, 0, ROWS_AXIS)  # rows first

        def read(token_ids, filled, cache):
            logits, hidden = [], []
            cache = np.swapaxes(cache, 0, ROWS_AXIS)
            for place in range(token_ids.shape[1]):
                found = self._step.run_rows(
                    token_ids=np.ascontiguousarray(token_ids[:, place]),
                    position=np.array(filled + place, "int32"),
                    cache=np.ascontiguousarray(cache),
                )
                cache = found["cache"]
                logits.append(found["logits"])
                hidden.append(found["hidden"])
            cache = np.swapaxes(cache, 0, ROWS_AXIS)
            return np.stack(logits, 1), np.stack(hidden, 1), cache

        return CausalContext(read, empty, places)

    def log_probabilities(self, text):
        """How likely each token of a text is behind those before it.

        A text that is longer than the model sees is read in windows that
        overlap by half.

        Args:
            text: str.

        Returns:
            float32 array, ln p of each token and of the end; where the
            tokenizer has no begin, without the first token.

        Raises:
            ValueError: for a text that cannot be encoded.
        """
        return self.score_ids(self.text_ids(text))

    def score_ids(self, token_ids):
        """`log_probabilities` of token ids, list of int."""
        ids = np.array(token_ids, "int32")
        most = self.metadata["max_sequence_length"]
        found = [np.zeros(0, "float32")]
        # A file scores what it reads: one token less than it could.
        for start, known in overlapping(len(ids), most - 1):
            window = ids[start : start + most]
            # The interpreter plans its memory anew for each length: take few.
            more = min(-len(window) % LENGTH_MULTIPLE, most - len(window))
            logs = self._score.run(token_ids=np.pad(window, (0, more)))
            logs = logs["log_probabilities"][1 : len(window)]
            found.append(logs[known:])
        return np.concatenate(found)
