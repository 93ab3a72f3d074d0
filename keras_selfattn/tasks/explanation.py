"""Why a text has its label: the words that the pooling looked at.

Shapes: `T` tokens, `N` heads.
"""

from dataclasses import dataclass

import numpy as np
from keras import ops

from keras_selfattn.decoding.classification import Classification
from keras_selfattn.tasks.foreign_encoder import segments


@dataclass(frozen=True)
class Explanation:
    """A classification, and the share of each word in the pooled vector.

    Weights say what the model read, not why the label follows; a word may
    count for or against it.

    Args:
        classification: Classification of the text.
        tokens: list of str, the tokens that were read.
        weights: float32 `(T,)`, which sums to 1.
        head_scores: list of float32 `(N, T, T)`, the attention weights of
            each layer of the encoder, for `plots.plot_attention`; empty where
            the encoder does not give them.
    """

    classification: Classification
    tokens: list
    weights: np.ndarray
    head_scores: list

    @property
    def title(self):
        """The label and its score, in words."""
        found = self.classification
        return f"{found.label} ({found.score:.3f})"

    def save(self, path):
        """Draws the weights over the words into a `.png` or `.html` file."""
        from keras_selfattn.plots.word_weights import draw_word_weights

        draw_word_weights(self.tokens, self.weights, path, self.title)

    def _repr_html_(self):
        from keras_selfattn.plots.word_weights import word_weights_html

        return word_weights_html(
            self.tokens, self.weights, self.title, whole_page=False
        )


def head_scores(encoder, token_ids, end_id=None):
    """Attention weights of an encoder's layers for one text.

    Args:
        encoder: the model.
        token_ids: int32 `(T,)`.
        end_id: int, the id of the mark that ends a text, or None.

    Returns:
        list of float32 `(N, T, T)`; empty where the encoder has none to give.
    """
    scores_of = getattr(encoder, "attention_scores", None)
    if scores_of is None:
        return []
    ids = np.asarray(token_ids)[None]
    inputs = {"token_ids": ids, "padding_mask": ids != 0}
    if end_id is not None:
        inputs["segment_ids"] = segments(ids, inputs["padding_mask"], end_id)
    try:
        found = scores_of(inputs)
    except ValueError:  # an attention that never makes such weights
        return []
    return [ops.convert_to_numpy(scores)[0] for scores in found]
