"""What Whisper says of a recording first, and texts of it drawn by chance.

Shapes: `B` recordings, `L` samples, `N` heads, `S` encoder frames, `H` size of
a head, `V` vocabulary.
"""

import functools

import keras
import numpy as np
from keras import ops

from keras_selfattn.decoding.beam_search import length_penalty
from keras_selfattn.decoding.sampling import sample
from keras_selfattn.decoding.search_in_graph import HIDDEN
from keras_selfattn.decoding.token_scores import (
    log_probabilities,
    take_rows,
)
from keras_selfattn.preprocessing.whisper_text import NO_SPEECH, START
from keras_selfattn.tasks.cached_decoding import (
    DecoderStep,
    empty_self_caches,
)
from keras_selfattn.tasks.speech_input import log_softmax


class FirstStep(keras.Model):
    """Samples to the scores of the very first token; compiled by `predict`.

    Args:
        parts: layers that `context_of` uses, beside `whisper`.
        context_of: function of samples `(B, L)` to the decoder blocks' caches
            of what was heard.
        whisper: Whisper, built.
        start_id: int, the token before all others.

    Call arguments:
        inputs: dict of "samples", float32 `(B, L)`.

    Returns:
        dict of "logits", `(B, V)`, and "context", a list of dicts of "key" and
        "value", `(B, N, S, H)`.
    """

    def __init__(self, parts, context_of, whisper, start_id):
        super().__init__(name="first_step")
        self.parts = list(parts)
        self.context_of = context_of
        self.whisper = whisper
        self.start_id = start_id
        self.built = True

    def call(self, inputs):
        samples = inputs["samples"]
        context = self.context_of(samples)
        ids = ops.cast(ops.zeros_like(samples[:, :1]), "int32") + self.start_id
        # Of two places: a softmax over one is warned of.
        caches = self.whisper.self_caches(ops.shape(samples)[0], 2)
        logits, _ = self.whisper.decode_step(ids, 0, caches, context)
        return {"logits": logits[:, 0], "context": context}


class WhisperListener:
    """What a recogniser does beside its search: languages, other texts.

    Chance is numpy's, outside the backend: each draws the same text, as far
    as its probabilities are the same.

    Args:
        task: WhisperRecognizer.
    """

    def __init__(self, task):
        self._task = task
        self._first_step = FirstStep(
            task.search_parts, task.context_of, task.whisper, task.id_of[START]
        )
        self._decoder = DecoderStep(task.whisper)
        marks = [mark for mark in NO_SPEECH if mark in task.id_of]
        self._silence_id = task.id_of[marks[0]] if marks else None

    def languages(self, pieces, batch_size):
        """See `WhisperRecognizer.detect_language`.

        Args:
            pieces: list of float32 arrays `(L,)`, none too long.
            batch_size: int, heard at once.

        Returns:
            list of dicts of a code to its probability, the likeliest first.
        """
        found = []
        for start in range(0, len(pieces), batch_size):
            heard = self.hear(pieces[start : start + batch_size])
            found += self.chances(heard["logits"])
        return found

    def chances(self, logits):
        """What `languages` gives, of the scores of the first token `(B, V)`."""
        codes, ids = zip(*self._task.language_ids.items(), strict=True)
        found = []
        for row in np.exp(log_softmax(logits[:, list(ids)])):
            order = np.argsort(-row, kind="stable")
            found.append({codes[i]: float(row[i]) for i in order})
        return found

    def settle(self, fallback, alpha, piece, rules, ids, score):
        """What is taken for the text of a piece.

        Args:
            fallback: TemperatureFallback.
            alpha: float, length penalty of the search.
            piece: float32 array `(L,)`.
            rules: WritingRules.
            ids: int array, what the search wrote, without the end.
            score: float, its log-probability over its length penalty.

        Returns:
            dict of "token_ids", "score" and "temperatures", the one taken.
        """

        def penalty(ids):
            tokens = min(len(ids) + 1, rules.max_new_tokens)  # with the end
            return length_penalty(len(rules.prompt) - 1 + tokens, alpha)

        heard = functools.cache(lambda: self.hear([piece]))

        def draw(temperature):
            return self.draw(
                heard()["context"], rules, temperature, fallback.seed
            )

        def no_speech():
            logs = log_softmax(heard()["logits"][0])
            return float(np.exp(logs[self._silence_id]))

        ids, total, temperature = fallback.settle(
            (ids, score * penalty(ids)),
            draw,
            self._task.text_of,
            None if self._silence_id is None else no_speech,
        )
        return {
            "token_ids": ids,
            "score": float(total / penalty(ids)),
            "temperatures": temperature,
        }

    def hear(self, pieces):
        """What `FirstStep` gives of pieces, a row a piece."""
        rows = self._task.filled_rows(pieces)
        found = self._first_step.predict_on_batch(rows)
        return take_rows(found, slice(len(pieces)))

    def draw(self, context, rules, temperature, seed):
        """A text of one recording by chance, and how likely it is.

        Args:
            context: as `FirstStep` gives it, of one row.
            rules: WritingRules.
            temperature: float > 0; see `decoding.sampling`.
            seed: int.

        Returns:
            int32 array of token ids without the end, and the sum of their
            log-probabilities (at temperature 1) and that of the end.
        """
        mask = np.ones((1, np.shape(context[0]["key"])[2]), bool)

        def read(token_ids, position, caches):
            found = self._decoder.predict_on_batch(
                {
                    "token_ids": np.asarray(token_ids, "int32")[:, None],
                    "position": np.full(1, position, "int32"),
                    "caches": caches,
                    "context": context,
                    "mask": mask,
                }
            )
            return found["logits"], found["caches"]

        state = empty_self_caches(context, rules.num_places)
        *forced, last = rules.prompt
        for position, token in enumerate(forced):
            _, state = read([token], position, state)
        chosen, logs = [], None

        def step(token_ids, position, state):
            nonlocal logs
            if position:
                chosen.append(logs[0, token_ids[0]])
            logits, state = read(token_ids, len(forced) + position, state)
            logits = np.array(logits, "float64")
            if not position:
                logits[:, list(rules.banned_first_ids)] = HIDDEN
            logs = log_probabilities(logits, rules.banned_ids)
            return logits, state

        (ids,) = sample(
            step,
            state,
            1,
            rules.max_new_tokens,
            last,
            rules.end_id,
            temperature,
            seed=seed,
            banned_ids=rules.banned_ids,
        )
        ended = len(ids) < rules.max_new_tokens
        final = logs[0, rules.end_id if ended else ids[-1]]
        return ids, float(sum(chosen) + final)
