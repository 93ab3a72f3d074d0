"""Word and character error rates, with the counts behind them.

The alignment is jiwer's (Levenshtein); the rate is
`(substitutions + deletions + insertions) / reference units`, over a whole
corpus, not a mean of rates of utterances.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ErrorCounts:
    """Counts of an alignment; they add up over utterances.

    Args:
        hits: int. Reference units found.
        substitutions: int. Reference units replaced by another.
        deletions: int. Reference units missed.
        insertions: int. Units that no reference unit stands for.
    """

    hits: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def errors(self):
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self):
        """Number of units in the references."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self):
        """Errors per reference unit; it can exceed 1.

        With no reference units at all: 0.0 without insertions, else
        infinity, which no average can hide.
        """
        if self.reference_length:
            return self.errors / self.reference_length
        return float("inf") if self.errors else 0.0

    def __add__(self, other):
        return ErrorCounts(
            self.hits + other.hits,
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
        )


def closest(reference, hypotheses):
    """Of several readings of one text the one with the fewest word errors.

    Args:
        reference: str.
        hypotheses: list of str, the first of equals is taken.

    Returns:
        str, one of them.
    """
    return min(hypotheses, key=lambda text: word_errors(reference, text).errors)


def word_errors(references, hypotheses):
    """`ErrorCounts` of words; the word error rate is its `.rate`.

    Args:
        references: str or list of str, what was said.
        hypotheses: str or list of str, what was recognised.

    Example:
    ```python
    word_errors("a cat sat", "a hat sat").rate  # 0.333...
    ```
    """
    return _count("process_words", references, hypotheses)


def character_errors(references, hypotheses):
    """`ErrorCounts` of characters, blanks between words included."""
    return _count("process_characters", references, hypotheses)


class ErrorRate:
    """Accumulates word and character errors over utterances.

    Example:
    ```python
    errors = ErrorRate()
    errors.update(["a cat sat"], ["a hat sat"])
    errors.result()["wer"]  # 0.333...
    ```
    """

    def __init__(self):
        self.reset()

    def reset(self):
        """Forgets everything counted."""
        self.words = ErrorCounts()
        self.characters = ErrorCounts()
        self.num_utterances = 0

    def update(self, references, hypotheses):
        """Counts more utterances; arguments as for `word_errors`."""
        words = word_errors(references, hypotheses)
        characters = character_errors(references, hypotheses)
        self.words += words
        self.characters += characters
        self.num_utterances += len(_texts("references", references))

    def result(self):
        """Rates and counts of words as a JSON-able dict.

        Returns:
            dict with `wer`, `cer`, `substitutions`, `deletions`,
            `insertions`, `words` (of the references) and `utterances`.
        """
        return {
            "wer": self.words.rate,
            "cer": self.characters.rate,
            "substitutions": self.words.substitutions,
            "deletions": self.words.deletions,
            "insertions": self.words.insertions,
            "words": self.words.reference_length,
            "utterances": self.num_utterances,
        }


def _count(function, references, hypotheses):
    references = _texts("references", references)
    hypotheses = _texts("hypotheses", hypotheses)
    if len(references) != len(hypotheses):
        raise ValueError(
            f"{len(references)} references and {len(hypotheses)} hypotheses "
            "received; expected as many of one as of the other."
        )
    if not references:
        return ErrorCounts()
    try:
        import jiwer
    except ImportError as error:
        raise ImportError(
            "Error rates need jiwer: pip install jiwer"
        ) from error
    # Blanks count as characters: the same text must give the same characters.
    references = [" ".join(text.split()) for text in references]
    hypotheses = [" ".join(text.split()) for text in hypotheses]
    output = getattr(jiwer, function)(references, hypotheses)
    return ErrorCounts(
        output.hits, output.substitutions, output.deletions, output.insertions
    )


def _texts(name, texts):
    texts = [texts] if isinstance(texts, str) else list(texts)
    for text in texts:
        if not isinstance(text, str):
            raise ValueError(
                f"{name} holds {text!r}; expected a str or a list of str."
            )
    return texts
