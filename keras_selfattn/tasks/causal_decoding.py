"""A CausalTransformer as what searches and scores read.

Shapes: `R` rows, `T` tokens, `S` places of the caches, `V` vocabulary.
"""

import keras
import numpy as np

from keras_selfattn.decoding.causal_context import CausalContext
from keras_selfattn.tasks.causal_graph import PAD_ID, picked

MULTIPLE = 16  # of tokens read at once and of caches: few shapes to compile


class _Reader(keras.Model):
    """Tokens of each row to logits, vectors and caches; by `predict`."""

    def __init__(self, transformer):
        super().__init__(name="causal_step")
        self.transformer = transformer
        self.built = True

    def call(self, inputs):
        logits, hidden, caches = self.transformer.decode_step(
            inputs["token_ids"], inputs["position"][0], inputs["caches"]
        )
        return {"logits": logits, "hidden": hidden, "caches": caches}


class CausalScorer(keras.Model):
    """How likely tokens are behind those before them; by `predict`.

    Args:
        transformer: CausalTransformer, built.
        padding_id: int, labels that are not scored; None: there are none.

    Example:
        >>> CausalScorer(transformer).of_rows([[1, 5, 8, 2], [1, 7, 2]])
    """

    def __init__(self, transformer, padding_id=PAD_ID):
        super().__init__(name="causal_score")
        self.transformer = transformer
        self.padding_id = padding_id
        self.built = True

    def call(self, inputs):
        logits = self.transformer(inputs["token_ids"])
        return picked(logits, inputs["labels"], self.padding_id)

    def of_rows(self, rows, batch_size=32):
        """Log-probabilities of all tokens of rows but their first.

        Args:
            rows: list of lists of int, each of at least one token and at most
                one more than the model sees.
            batch_size: int, rows at once.

        Returns:
            list of float32 arrays, one shorter than its row.
        """
        found = [np.zeros(0, "float32")] * len(rows)
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
        order = [i for i in order if len(rows[i]) > 1]
        most = self.transformer.max_sequence_length
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            width = _round_up(len(rows[chosen[-1]]) - 1, most)
            # A power of two, so few shapes: what is filled in is padding.
            count = 1 << (len(chosen) - 1).bit_length()
            ids = np.full((count, width + 1), PAD_ID, "int32")
            for place, i in enumerate(chosen):
                ids[place, : len(rows[i])] = rows[i]
            logs = self.predict_on_batch(
                {"token_ids": ids[:, :-1], "labels": ids[:, 1:]}
            )
            for place, i in enumerate(chosen):
                kept = logs[place, : len(rows[i]) - 1]
                found[i] = np.asarray(kept, "float32")
        return found


class CausalReader:
    """Makes contexts for `text_generation.continue_tokens`.

    Args:
        transformer: CausalTransformer, built.

    Example:
        >>> reader = CausalReader(transformer)
        >>> continue_tokens(reader.context(64), [5, 8, 7], 40)
    """

    def __init__(self, transformer):
        self._transformer = transformer
        self._reader = _Reader(transformer)

    def context(self, num_tokens):
        """A CausalContext with room for so many tokens, or all it can see."""
        most = self._transformer.max_sequence_length
        places = max(2, _round_up(num_tokens, most))

        def empty(rows):
            caches = self._transformer.caches(rows, places)
            return keras.tree.map_structure(keras.ops.convert_to_numpy, caches)

        def read(token_ids, filled, caches):
            rows, count = token_ids.shape
            width = 1
            if count > 1:  # what is filled in is written over, or not seen
                width = _round_up(count, places - filled)
            padded = np.full((rows, width), PAD_ID, "int32")
            padded[:, :count] = token_ids
            found = self._reader.predict_on_batch(
                {
                    "token_ids": padded,
                    "position": np.full(rows, filled, "int32"),
                    "caches": caches,
                }
            )
            logits, hidden = (
                np.asarray(found[name][:, :count], "float32")
                for name in ("logits", "hidden")
            )
            return logits, hidden, found["caches"]

        return CausalContext(read, empty, places)


def _round_up(length, most):
    return min(most, -(-length // MULTIPLE) * MULTIPLE)
