"""A Transformer as the step function of a search, with caches.

Shapes: `B` sources, `R` rows (a source has one or more), `S` source tokens,
`V` vocabulary.
"""

import keras
import numpy as np

from keras_selfattn.decoding.token_scores import take_rows


class _Encoder(keras.Model):
    """Source ids to the decoder's context caches, compiled by `predict`."""

    def __init__(self, transformer):
        super().__init__(name="encoder_step")
        self.transformer = transformer
        self.built = True

    def call(self, inputs):
        source_ids = inputs["source_ids"]
        hidden = self.transformer.encode(source_ids, inputs["mask"])
        return self.transformer.context_caches(hidden)


class DecoderStep(keras.Model):
    """One token of each row to logits and caches, compiled by `predict`."""

    def __init__(self, transformer):
        super().__init__(name="decoder_step")
        self.transformer = transformer
        self.built = True

    def call(self, inputs):
        logits, caches = self.transformer.decode_step(
            inputs["token_ids"],
            inputs["position"][0],
            inputs["caches"],
            inputs["context"],
            inputs["mask"],
        )
        return {"logits": logits[:, 0], "caches": caches}


def empty_self_caches(context, max_length):
    """Caches for `max_length` tokens of as many rows as those of a context.

    Args:
        context: list of dicts of arrays `(R, N, S, H)`, one a decoder block.
        max_length: int.
    """
    some = np.asarray(context[0]["key"])
    shape = (len(some), some.shape[1], max_length, some.shape[3])
    return [
        {
            "key": np.zeros(shape, some.dtype),
            "value": np.zeros(shape, some.dtype),
        }
        for _ in context
    ]


class CachedDecoder:
    """Encodes sources once, then gives the scores of one token after another.

    What depends on the source only (its keys and values) is kept here; what
    changes with each token is the state of the search, numpy arrays that it
    can take rows from.

    Args:
        transformer: Transformer, built.

    Example:
        >>> decoder = CachedDecoder(transformer)
        >>> state = decoder.start(source_ids, rows_each=1, max_length=64)
        >>> greedy_search(decoder.step, state, len(source_ids), 64, 1, 2)
    """

    def __init__(self, transformer):
        self._transformer = transformer
        self._encoder = _Encoder(transformer)
        self._decoder = DecoderStep(transformer)
        self._context = self._mask = None

    def start(self, source_ids, rows_each, max_length):
        """Encodes sources; the state before the first token.

        Args:
            source_ids: int32 `(B, S)`, padded with 0.
            rows_each: int, rows of each source (the beam), in a row.
            max_length: int, most tokens that will be written.

        Returns:
            empty caches for `R = B * rows_each` rows.
        """
        source_ids = np.asarray(source_ids, "int32")
        mask = source_ids != 0
        context = self._encoder.predict_on_batch(
            {"source_ids": source_ids, "mask": mask}
        )
        rows = np.repeat(np.arange(len(source_ids)), rows_each)
        self._context = take_rows(context, rows)
        self._mask = mask[rows]
        return empty_self_caches(self._context, max_length)

    def step(self, token_ids, position, state):
        """See `decoding.token_scores`: logits `(R, V)` and the next state."""
        outputs = self._decoder.predict_on_batch(
            {
                "token_ids": np.asarray(token_ids, "int32")[:, None],
                "position": np.full(len(token_ids), position, "int32"),
                "caches": state,
                "context": self._context,
                "mask": self._mask,
            }
        )
        return outputs["logits"], outputs["caches"]
