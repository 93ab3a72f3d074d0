"""What a file writes for token ids: its own searches, or one outside of it.

Shapes: `S` source tokens, `R` rows (the beam), `V` vocabulary.
"""

import numpy as np

from keras_selfattn.decoding.beam_search import beam_search
from keras_selfattn.runtime.model_file import ModelFile

# In a packed cache; see `tasks.translation_graph`.
ROWS_AXIS, PLACES_AXIS = 1, 3
LENGTH_MULTIPLE = 4  # of the sources that are given to the file
CACHE_STEP = 16  # a cache is made longer by so many places when it is full
PAD_ID = 0


class TextSearch:
    """Writes token ids behind those of a source with an exported file.

    Greedy search, and the beam that the file was exported with
    (`metadata["beam"]`), run inside the file. Other beams, `no_repeat_ngram`,
    and all beams of a file without a beam, are searched here, over its
    `encode` and `decode_step`, several times slower.

    Args:
        path: the .tflite file.
        metadata: dict with "signature" (of the greedy search),
            "max_source_tokens", "max_target_tokens" and "cache_shape";
            "rules", where beams are searched by others (`beam_search`).
        begin_id: int, what stands before a text.
        end_id: int, the token that ends a text.
        banned_ids: ints never written.
        beam_signature: str, of the beam search.
        num_threads: int >= 1.

    Example:
        >>> search = TextSearch(path, metadata, 1, 2, (0, 1, 3), "beam")
        >>> search.write(np.array([7, 9, 2], "int32"), beam=4)
    """

    def __init__(
        self,
        path,
        metadata,
        begin_id,
        end_id,
        banned_ids,
        beam_signature,
        num_threads=1,
    ):
        self.path = path
        self.metadata = metadata
        self.begin_id, self.end_id = begin_id, end_id
        self.banned_ids = tuple(banned_ids)
        self._beam_signature = beam_signature
        self._num_threads = num_threads
        self._greedy = self._opened(
            metadata["signature"], ["source_ids"], ["token_ids"]
        )
        self._beam = self._parts = None

    def _opened(self, signature, inputs, outputs):
        return ModelFile(
            self.path, signature, inputs, outputs, self._num_threads
        )

    def write(self, source, beam=1, alpha=1.0, no_repeat_ngram=0):
        """The text behind a source.

        Args:
            source: int32 `(S,)`, with the end.
            beam: int >= 1, texts kept while searching; 1 is greedy.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.
            no_repeat_ngram: int, so many tokens in a row stand once in a
                text; 0 for no such rule.

        Returns:
            int32 array of token ids, and float, their score (0 where the
            search in the file was greedy).

        Raises:
            ValueError: for a setting out of range.
        """
        source = np.asarray(source, "int32")
        if beam not in (1, self.metadata.get("beam")) or no_repeat_ngram:
            return self._search(source, beam, alpha, no_repeat_ngram)
        return self._search_inside(source, beam, alpha)

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
                    self._beam_signature,
                    ["source_ids", "alpha"],
                    ["token_ids", "scores"],
                )
            found = self._beam.run_rows(
                source_ids=sources, alpha=np.array(alpha, "float32")
            )
            score = float(found["scores"][0])
        ids = found["token_ids"][0]
        return ids[ids != PAD_ID], score

    def log_probabilities(self, sources, target):
        """How likely each source makes a text that is given, token by token.

        Args:
            sources: int32 `(R, S)`, with the end.
            target: int32 `(T,)`, with the end.

        Returns:
            float64 `(R, T)`.
        """
        step, state = self._stepper(sources)
        found = []
        last = self.begin_id
        for position, token in enumerate(target):
            given = np.full(len(sources), last, "int32")
            logits, state = step(given, position, state)  # (R, V)
            logits = np.asarray(logits, "float64")
            highest = logits.max(axis=-1, keepdims=True)
            scale = np.log(np.exp(logits - highest).sum(axis=-1))
            found.append(logits[:, token] - highest[:, 0] - scale)
            last = token
        return np.stack(found, axis=1)

    def _stepper(self, sources):
        """A step function over `sources` `(R, S)`, and its first state."""
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
        sources = np.ascontiguousarray(sources, "int32")
        if (sources == sources[:1]).all():  # a beam: encoded once
            context = encode.run_rows(source_ids=sources[:1])["context"]
            context = np.repeat(context, len(sources), axis=ROWS_AXIS)
        else:
            context = encode.run_rows(source_ids=sources)["context"]
        shape = list(self.metadata["cache_shape"])
        shape[ROWS_AXIS] = len(sources)
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

        return step, np.swapaxes(np.zeros(shape, "float32"), 0, ROWS_AXIS)

    def _search(self, source, beam, alpha, no_repeat_ngram):
        sources = np.repeat(source[np.newaxis], beam, axis=0)  # (R, S)
        step, start = self._stepper(sources)
        limit = min(2 * len(source) + 10, self.metadata["max_target_tokens"])
        ((best,),) = beam_search(
            step,
            start,
            1,
            beam,
            limit,
            self.begin_id,
            self.end_id,
            alpha,
            banned_ids=self.banned_ids,
            no_repeat_ngram=no_repeat_ngram,
            rules=self.metadata.get("rules", "gnmt"),
        )
        return best
