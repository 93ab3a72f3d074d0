"""A translator's whole search as one compiled function.

Shapes: `B` sources, `S` source tokens, `L = 2 S + 10` places.
"""

import keras
import numpy as np

from keras_selfattn.preprocessing.translation_text import BOS_ID, EOS_ID
from keras_selfattn.tasks.translation_graph import beam_ids


class CompiledSearch(keras.Model):
    """Source ids to target ids, many sources at once; compiled by `predict`.

    One call of the backend encodes the sources and writes the texts: nothing
    comes back to Python between two tokens. A beam of 1 is greedy search.

    Args:
        transformer: Transformer, built.
        beam_size: int >= 1.
        max_length: int; a text is no longer, nor longer than twice its
            source and ten.
        banned_ids: ints never written.
        rules: see `decoding.beam_search`.
        begin_id, end_id: int, what stands before a text and ends it.

    Example:
        >>> search = CompiledSearch(transformer, 4, 64, (0, 1, 3))
        >>> search.write(np.array([[7, 9, 2]]), alpha=1.0)
    """

    def __init__(
        self,
        transformer,
        beam_size,
        max_length,
        banned_ids,
        rules="gnmt",
        begin_id=BOS_ID,
        end_id=EOS_ID,
    ):
        super().__init__(name=f"search_{beam_size}")
        self.transformer = transformer
        self.beam_size = beam_size
        self.max_length = max_length
        self.banned_ids = tuple(banned_ids)
        self.rules = rules
        self.begin_id = begin_id
        self.end_id = end_id
        self.built = True

    def call(self, inputs):
        token_ids, scores = beam_ids(
            self.transformer,
            inputs["source_ids"],
            self.beam_size,
            inputs["alpha"],
            self.max_length,
            self.banned_ids,
            self.rules,
            begin_id=self.begin_id,
            end_id=self.end_id,
        )
        return {"token_ids": token_ids, "scores": scores}

    def write(self, source_ids, alpha):
        """The best text of each source.

        Args:
            source_ids: int32 `(B, S)`, padded with 0; a row of 0 alone has
                an empty text.
            alpha: float >= 0, length penalty; see `decoding.beam_search`.

        Returns:
            list of (int32 array of target ids without the end, score).
        """
        inputs = {
            "source_ids": np.asarray(source_ids, "int32"),
            "alpha": np.full(len(source_ids), alpha, "float32"),
        }
        found = self.predict_on_batch(inputs)
        return [
            (row[row != 0], float(score))
            for row, score in zip(
                found["token_ids"], found["scores"], strict=True
            )
        ]
