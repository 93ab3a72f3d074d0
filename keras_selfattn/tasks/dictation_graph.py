"""How recognisers write what they hear, in `keras.ops`: graphs and searches.

The searches of `decoding.search_in_graph` begin with one token and pad with
0. Here a text may begin with several tokens that are given, and 0 is a token
of text. So the first steps are forced by a bias, and the search sees one token
more: 0 is never written, and `V`, which stands for 0, is.

Shapes: `B` recordings, `L` samples, `S` encoder frames, `P` tokens of the
prompt, `Q` places for tokens, `K` beam, `V` vocabulary, `W >= V + 1` tokens
that the search sees.
"""

from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Heard:
    """Recordings as a search goes on from them; made of tensors.

    Args:
        context: list of the decoder blocks' caches of what was heard.
        blank: int32 zeros `(B, Q)`, a place for each token, those of the
            prompt but its first, too.
        limits: int32 `(B,)`, most tokens of each row, at most `Q`.
        mask: bool `(B, S)`, the frames that are real; None for all.
    """

    context: list
    blank: object
    limits: object
    mask: object = field(default=None)

    @property
    def source_bias(self):
        """Float `(B, 1, 1, S)`, added to the scores of frames; or None."""
        if self.mask is None:
            return None
        bias = ops.where(self.mask, 0.0, HIDDEN)
        return ops.expand_dims(ops.expand_dims(bias, 1), 1)


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


def greedy_ids(model, heard, rules):
    """The best token at each step, as a loop inside the graph.

    Args:
        model: Whisper or Moonshine.
        heard: Heard.
        rules: WritingRules.

    Returns:
        int32 `(B, Q - P + 1)`: the text, then `rules.end_id`.
    """
    step, state = _ready(model, heard, rules, 1)
    ids = greedy_in_graph(
        step,
        state,
        heard.blank,
        heard.limits,
        _search_width(model.vocabulary_size),
        rules.prompt[0],
        rules.end_id,
    )
    return _texts(ids, rules, model.vocabulary_size)


def beam_ids(model, heard, rules, beam, alpha):
    """The best text that a beam finds, likewise.

    Args:
        model, heard, rules: see `greedy_ids`.
        beam: int >= 1; 1 is greedy.
        alpha: float scalar or `(B,)`, length penalty; see `beam_search`. The
            forced tokens count.

    Returns:
        as `greedy_ids`, and float32 `(B,)`, the scores.
    """
    step, state = _ready(model, heard, rules, beam)
    ids, scores = beam_in_graph(
        step,
        state,
        heard.blank,
        heard.limits,
        beam,
        _search_width(model.vocabulary_size),
        rules.prompt[0],
        rules.end_id,
        alpha,
    )
    return _texts(ids, rules, model.vocabulary_size), scores


def _search_width(vocabulary_size):
    return -(-(vocabulary_size + 1) // WIDTH_MULTIPLE) * WIDTH_MULTIPLE


def _texts(ids, rules, vocabulary_size):
    """What a search wrote, in the vocabulary's ids, without the prompt."""
    ids = ids[:, len(rules.prompt) - 1 :]
    ended = ops.equal(ids, 0)
    ids = ops.where(ops.equal(ids, vocabulary_size), 0, ids)
    return ops.cast(ops.where(ended, rules.end_id, ids), "int32")


def _ready(model, heard, rules, beam):
    """A step for `decoding.search_in_graph`, and its state before the first."""
    size = model.vocabulary_size
    table = bias_table(rules, size)
    last_row, width = len(table) - 1, table.shape[1]
    table = ops.convert_to_tensor(table)
    zero = ops.zeros((), dtype="int32")
    source_bias = heard.source_bias

    def step(token_ids, position, seen, caches):
        # Beyond: rows of a beam that nothing goes on from hold anything.
        token_ids = ops.where(token_ids >= size, 0, token_ids)
        logits, caches = model.continue_rows(
            token_ids, beam, position, seen, caches, heard.context, source_bias
        )
        more = [logits]
        for start in range(0, width - size, size):
            more.append(logits[:, : min(size, width - size - start)])
        row = ops.stack([ops.minimum(position, last_row), zero])
        bias = ops.slice(table, row, (1, width))
        logits = ops.cast(ops.concatenate(more, axis=1), "float32") + bias
        return logits, caches

    return step, _empty_caches(model, heard.blank, beam)


def _empty_caches(model, blank, beam):
    """Caches for `K` rows of each source, as long as `blank` `(B, Q)`.

    Tiled from it, not zeros of a computed shape: so an interpreter knows all
    shapes before it runs.
    """
    caches = []
    for cache in model.self_caches(1, 1):
        _, heads, _, head_dim = cache["key"].shape
        zeros = ops.cast(ops.tile(blank, (1, beam)), cache["key"].dtype)
        zeros = ops.expand_dims(ops.expand_dims(zeros, 1), -1)
        zeros = ops.tile(zeros, (1, heads, 1, head_dim))  # (B, N, Q K, H)
        caches.append({"key": zeros, "value": zeros})
    return caches


class DictationSearch(keras.Model):
    """Samples to texts, many recordings at once; compiled by `predict`.

    One call of the backend hears and writes: nothing comes back to Python
    between two tokens.

    Args:
        parts: layers and models that `hear` uses, beside `model`.
        hear: function of a dict of inputs, tensors, and `rules` to Heard.
        model: Whisper or Moonshine, built.
        rules: WritingRules.
        beam: int >= 1.
    """

    def __init__(self, parts, hear, model, rules, beam):
        super().__init__(name=f"search_{beam}")
        self.parts = list(parts)
        self.hear = hear
        self.model = model
        self.rules = rules
        self.beam = beam
        self.built = True

    def call(self, inputs):
        token_ids, scores = beam_ids(
            self.model,
            self.hear(inputs, self.rules),
            self.rules,
            self.beam,
            inputs["alpha"],
        )
        return {"token_ids": token_ids, "scores": scores}

    def write(self, inputs, alpha):
        """The text of each recording.

        Args:
            inputs: nested dict of arrays, what `hear` takes, a row a
                recording.
            alpha: float >= 0, length penalty.

        Returns:
            list of (int32 array of token ids without the end, score).
        """
        rows = len(keras.tree.flatten(inputs)[0])
        alphas = np.full(rows, alpha, "float32")
        found = self.predict_on_batch({**inputs, "alpha": alphas})
        return [
            (row[row != self.rules.end_id], float(score))
            for row, score in zip(
                found["token_ids"], found["scores"], strict=True
            )
        ]
