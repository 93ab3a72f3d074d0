"""A linear classifier as the first values of an embedding of n-grams.

Shapes: `B` texts, `G` n-grams, `V` n-gram ids, `C` classes.
"""

import numpy as np


def log_count_ratios(rows, class_ids, num_ids, num_classes, smoothing=1.0):
    """How much more often an n-gram stands in a class than elsewhere.

    `r[v, c] = log p(v | c) - mean over classes of log p(v | class)`, where
    `p(v | c)` is the share of texts' n-grams in class c, each counted once a
    text and `smoothing` times more. A text's sum of `r` over its n-grams is
    what multinomial naive Bayes decides by, where classes are equally likely.

    Reference: Wang and Manning 2012 (ACL, P12-2018), section 2.1, for two
    classes: their log-count ratio is `r[:, 1] - r[:, 0]`.

    Args:
        rows: list of int arrays `(G,)`, ids of each text; 0 is padding.
        class_ids: int array `(B,)`.
        num_ids: int, `V`, id 0 included.
        num_classes: int, `C`.
        smoothing: float > 0.

    Returns:
        float32 `(V, C)`; zero for id 0 and for an id that never occurs.

    Raises:
        ValueError: smoothing is not positive, or lengths differ.
    """
    if smoothing <= 0:
        raise ValueError(f"smoothing={smoothing}; expected more than 0.")
    if len(rows) != len(class_ids):
        raise ValueError(
            f"{len(rows)} texts and {len(class_ids)} class ids; expected as "
            "many of one as of the other."
        )
    counts = np.zeros((num_ids, num_classes))
    for row, class_id in zip(rows, class_ids):
        counts[np.unique(row), class_id] += 1
    counts[0] = 0
    seen = counts.sum(-1) > 0
    kept = counts[seen] + smoothing
    logs = np.log(kept / kept.sum(0))
    ratios = np.zeros((num_ids, num_classes), "float32")
    ratios[seen] = logs - logs.mean(-1, keepdims=True)
    return ratios


def linear_ngram_weights(
    rows, class_ids, num_ids, num_classes, strength=1.0, smoothing=1.0
):
    """Weights of n-grams by logistic regression on log-count ratios.

    The features of a text are its counts times `log_count_ratios`, over the
    root of how many n-grams it has; every class is told from all others, so
    that a text's logits are `sum_g weights[g] / sqrt(G) + bias`. Needs
    scikit-learn; the data must fit in memory.

    Reference: NB-SVM: Wang and Manning 2012 (ACL, P12-2018), section 2.3,
    with logistic regression in place of the support vector machine.

    Args:
        rows, class_ids, num_ids, num_classes, smoothing: see
            `log_count_ratios`.
        strength: float > 0, inverse of the regularisation.

    Returns:
        weights float32 `(V, C)`, bias float32 `(C,)`.

    Raises:
        ValueError: as `log_count_ratios`.
    """
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    ratios = log_count_ratios(rows, class_ids, num_ids, num_classes, smoothing)
    kept = [row[row > 0] for row in map(np.asarray, rows)]
    lengths = np.array([len(row) for row in kept])
    counts = csr_matrix(
        (
            np.repeat(np.maximum(lengths, 1) ** -0.5, lengths),
            np.concatenate(kept),
            np.concatenate([[0], np.cumsum(lengths)]),
        ),
        shape=(len(rows), num_ids),
    )
    weights = np.zeros((num_ids, num_classes), "float32")
    bias = np.zeros(num_classes, "float32")
    # Of two classes one is as far from nought as the other.
    classes = [1] if num_classes == 2 else range(num_classes)
    for c in classes:
        ratio = ratios[:, c]
        model = LogisticRegression(C=strength, solver="liblinear", dual=True)
        model.fit(counts.multiply(ratio).tocsr(), np.asarray(class_ids) == c)
        weights[:, c] = model.coef_[0] * ratio
        bias[c] = model.intercept_[0]
    if num_classes == 2:
        weights[:, 1] /= 2
        bias[1] /= 2
        weights[:, 0], bias[0] = -weights[:, 1], -bias[1]
    return weights, bias
