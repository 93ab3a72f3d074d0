"""A toy task that needs memory over any distance; generated, numpy only.

Shapes: `B` sequences, `T` tokens.
"""

import numpy as np

PADDING, FILLER = 0, 1
FIRST_KEY = 2
NO_LABEL = -1


def vocabulary_size(num_keys, num_values):
    """Token ids there are: padding, filler, keys, pairs."""
    return FIRST_KEY + num_keys + num_keys * num_values


def associative_recall(
    num_rows, length, num_keys=16, num_values=16, num_pairs=8, seed=0
):
    """Sequences that say pairs first and ask for them later.

    In the first half stand `num_pairs` pairs of a key and a value, each pair
    one token, at random places among fillers; no key stands twice. In the
    second half each of these keys stands once, at a random place: there its
    value is the label.

    Reference: after Arora et al. 2023 (arXiv:2312.04927), section 3, several
    questions a sequence; a pair is one token here, so that it can be
    answered in one step.

    Args:
        num_rows: int, sequences.
        length: int, tokens of a sequence.
        num_keys: int, keys there are.
        num_values: int, values there are, so classes.
        num_pairs: int, pairs, and questions, of a sequence.
        seed: int, or a `numpy.random.Generator`.

    Returns:
        int32 `(B, T)` three times: token ids; labels, a value at a question
        and -1 elsewhere; distances, tokens back to a question's pair, and 0
        elsewhere.

    Raises:
        ValueError: where the pairs do not fit.

    Example:
    ```python
    token_ids, labels, distances = associative_recall(64, length=128)
    ```
    """
    half = length // 2
    if not 1 <= num_pairs <= min(num_keys, half):
        raise ValueError(
            f"num_pairs={num_pairs} does not fit: expected at least 1, and at "
            f"most num_keys={num_keys} and half of length={length}."
        )
    rng = np.random.default_rng(seed)

    def draw(number):  # `num_pairs` of range(number) a row, none twice
        order = np.argsort(rng.random((num_rows, number)), axis=1)
        return order[:, :num_pairs]

    keys = draw(num_keys)
    values = rng.integers(0, num_values, (num_rows, num_pairs))
    said, asked = draw(half), half + draw(length - half)
    rows = np.arange(num_rows)[:, None]
    shape = (num_rows, length)
    token_ids = np.full(shape, FILLER, "int32")
    labels = np.full(shape, NO_LABEL, "int32")
    distances = np.zeros(shape, "int32")
    first_pair = FIRST_KEY + num_keys
    token_ids[rows, said] = first_pair + keys * num_values + values
    token_ids[rows, asked] = FIRST_KEY + keys
    labels[rows, asked] = values
    distances[rows, asked] = asked - said
    return token_ids, labels, distances
