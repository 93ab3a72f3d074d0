"""How Whisper writes, in `keras.ops`: the searches of tasks and exported files.

The searches of `decoding.search_in_graph` begin with one token and pad with
0. Here a text begins with several tokens that are given, and 0 is a token of
text. So the first steps are forced by a bias, and the search sees one token
more: 0 is never written, and `V`, which stands for 0, is.

Shapes: `B` recordings, `L` samples, `F` feature frames, `M` mel bins, `P`
tokens of the prompt, `K` beam, `V` vocabulary, `W >= V + 1` tokens that the
search sees.
"""

from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from keras_selfattn.decoding.search_in_graph import (
    HIDDEN,
    beam_in_graph,
    greedy_in_graph,
)

WIDTH_MULTIPLE = 64  # of W: numbers with few divisors are slow to search


@dataclass(frozen=True)
class WritingRules:
    """What is written before a text, and what never.

    Args:
        prompt: tuple of int, the tokens before every text; one at least.
        end_id: int, the token that ends a text.
        banned_ids: tuple of ints never written.
        banned_first_ids: tuple of ints that no text begins with.
        max_new_tokens: int, most tokens of a text.
    """

    prompt: tuple
    end_id: int
    banned_ids: tuple
    banned_first_ids: tuple
    max_new_tokens: int

    @property
    def num_places(self):
        """Tokens that a search writes: the forced ones of the prompt, too."""
        return len(self.prompt) - 1 + self.max_new_tokens


def fit_length(samples, length):
    """Samples `(B, L)` with zeros behind them, or cut: `(B, length)`."""
    # Padded and cut, then told: an interpreter must know the length.
    rows = -1 if samples.shape[0] is None else samples.shape[0]
    samples = ops.pad(samples, ((0, 0), (0, length)))[:, :length]
    return ops.reshape(samples, (rows, length))


def bias_table(rules, vocabulary_size):
    """What is added to the logits of each step, float32 `(P + 1, W)`.

    Rows: one for each forced token, one for the first token of the text, one
    for all others.
    """
    width = _search_width(vocabulary_size)
    forced, free = len(rules.prompt) - 1, len(rules.prompt)
    table = np.zeros((free + 1, width), "float32")
    table[:forced] = HIDDEN
    table[np.arange(forced), list(rules.prompt[1:])] = 0
    table[forced:, list(rules.banned_ids)] = HIDDEN
    table[forced, list(rules.banned_first_ids)] = HIDDEN
    table[:, vocabulary_size] = table[:, 0]
    table[:, 0] = table[:, vocabulary_size + 1 :] = HIDDEN
    return table


def greedy_ids(whisper, features, rules):
    """The best token at each step, as a loop inside the graph.

    Args:
        whisper: Whisper.
        features: float `(B, F, M)`.
        rules: WritingRules.

    Returns:
        int32 `(B, rules.max_new_tokens)`: the text, then `rules.end_id`.
    """
    step, state, blank, limits = _ready(whisper, features, rules, 1)
    ids = greedy_in_graph(
        step,
        state,
        blank,
        limits,
        _search_width(whisper.vocabulary_size),
        rules.prompt[0],
        rules.end_id,
    )
    return _texts(ids, rules, whisper.vocabulary_size)


def beam_ids(whisper, features, rules, beam, alpha):
    """The best text that a beam finds, likewise.

    Args:
        whisper, features, rules: see `greedy_ids`.
        beam: int >= 1; 1 is greedy.
        alpha: float scalar or `(B,)`, length penalty; see `beam_search`. The
            forced tokens count.

    Returns:
        as `greedy_ids`, and float32 `(B,)`, the scores.
    """
    step, state, blank, limits = _ready(whisper, features, rules, beam)
    ids, scores = beam_in_graph(
        step,
        state,
        blank,
        limits,
        beam,
        _search_width(whisper.vocabulary_size),
        rules.prompt[0],
        rules.end_id,
        alpha,
    )
    return _texts(ids, rules, whisper.vocabulary_size), scores


def _search_width(vocabulary_size):
    return -(-(vocabulary_size + 1) // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def _texts(ids, rules, vocabulary_size):
    """What a search wrote, in the vocabulary's ids, without the prompt."""
    ids = ids[:, len(rules.prompt) - 1 :]
    ended = ops.equal(ids, 0)
    ids = ops.where(ops.equal(ids, vocabulary_size), 0, ids)
    return ops.cast(ops.where(ended, rules.end_id, ids), "int32")


def _ready(whisper, features, rules, beam):
    """Features as a step for `decoding.search_in_graph`, before its first.

    Returns:
        step, state, blank, limits: as the search takes them.
    """
    context = whisper.context_caches(whisper.encode(features))
    batch, size = ops.shape(features)[0], whisper.vocabulary_size
    places = rules.num_places
    blank = ops.zeros((batch, places), dtype="int32")
    limits = ops.zeros((batch,), dtype="int32") + places
    table = bias_table(rules, size)
    last_row, width = len(table) - 1, table.shape[1]
    table = ops.convert_to_tensor(table)
    zero = ops.zeros((), dtype="int32")

    def step(token_ids, position, seen, caches):
        # Beyond: rows of a beam that nothing goes on from hold anything.
        token_ids = ops.where(token_ids >= size, 0, token_ids)
        logits, caches = whisper.continue_rows(
            token_ids, beam, position, seen, caches, context
        )
        more = [logits]
        for start in range(0, width - size, size):
            more.append(logits[:, : min(size, width - size - start)])
        row = ops.stack([ops.minimum(position, last_row), zero])
        bias = ops.slice(table, row, (1, width))
        logits = ops.cast(ops.concatenate(more, axis=1), "float32") + bias
        return logits, caches

    return step, whisper.self_caches(batch, places * beam), blank, limits


class WhisperSearch(keras.Model):
    """Samples to texts, many recordings at once; compiled by `predict`.

    One call of the backend hears and writes: nothing comes back to Python
    between two tokens.

    Args:
        frontend: LogMelSpectrogram.
        whisper: Whisper, built.
        rules: WritingRules.
        beam: int >= 1.
    """

    def __init__(self, frontend, whisper, rules, beam):
        super().__init__(name=f"search_{beam}")
        self.frontend = frontend
        self.whisper = whisper
        self.rules = rules
        self.beam = beam
        self.built = True

    def call(self, inputs):
        features, _ = self.frontend(inputs["samples"])
        token_ids, scores = beam_ids(
            self.whisper, features, self.rules, self.beam, inputs["alpha"]
        )
        return {"token_ids": token_ids, "scores": scores}

    def write(self, samples, alpha):
        """The text of each recording.

        Args:
            samples: float32 `(B, L)`, as long as Whisper hears at once.
            alpha: float >= 0, length penalty.

        Returns:
            list of (int32 array of token ids without the end, score).
        """
        inputs = {
            "samples": samples,
            "alpha": np.full(len(samples), alpha, "float32"),
        }
        found = self.predict_on_batch(inputs)
        return [
            (row[row != self.rules.end_id], float(score))
            for row, score in zip(
                found["token_ids"], found["scores"], strict=True
            )
        ]
