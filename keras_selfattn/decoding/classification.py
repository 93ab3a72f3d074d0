"""From log-probabilities of classes to an answer with names. Numpy only.

Shapes: `C` classes.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Classification:
    """The class of one text, and how sure the model is of it.

    Args:
        label: name of the likeliest class.
        score: its probability by the model, in (0, 1], not calibrated.
        scores: dict of every class to its probability, likeliest first.
        num_tokens: tokens the text was split into.
        known_tokens: how many of those that were read stand in the
            vocabulary; with 0 the label says nothing about the text.
        truncated: bool, the text had more tokens than the model reads.
    """

    label: str
    score: float
    scores: dict
    num_tokens: int
    known_tokens: int
    truncated: bool

    def to_dict(self, text=None):
        """Return plain values ready for JSON; `text` is put first if given."""
        head = {} if text is None else {"text": text}
        return head | asdict(self)

    def json(self, text=None):
        """Return `to_dict(text)` as one line of ASCII JSON."""
        return json.dumps(self.to_dict(text))


def classification(log_probabilities, labels, tokens, tokenizer):
    """The answer for one text.

    Args:
        log_probabilities: float `(C,)`.
        labels: list of str, the classes' names.
        tokens: list of str, all tokens of the text, before it was cut.
        tokenizer: the TextTokenizer they are of.

    Returns:
        Classification.
    """
    scores = np.exp(np.asarray(log_probabilities, "float64"))
    order = np.argsort(-scores, kind="stable").tolist()
    read = tokenizer.ids(tokenizer.cut(tokens))
    marks = {tokenizer.unknown_id, *tokenizer.mark_ids}
    return Classification(
        label=labels[order[0]],
        score=float(scores[order[0]]),
        scores={labels[i]: float(scores[i]) for i in order},
        num_tokens=len(tokens),
        known_tokens=sum(token_id not in marks for token_id in read),
        truncated=len(tokens) > tokenizer.room,
    )
