"""Cross-entropy with label smoothing, of classes and of tokens.

Shapes: `B` batch, `T` tokens, `C` classes (for tokens, the vocabulary).
"""

import keras
from keras import ops

from keras_selfattn.losses.batch_mean import batch_mean


def smoothed_cross_entropy(labels, logits, smoothing=0.0):
    """`-sum_c q_c log p_c`, `q = (1 - s) y + s / C`, from logits.

    In float32 whatever the policy.

    Reference: Szegedy et al. 2016 (arXiv:1512.00567), section 7; Vaswani et
    al. 2017 (arXiv:1706.03762), section 5.4.

    Args:
        labels: int `(B, ...)`, ids; or float `(B, ..., C)`, probabilities
            (of a teacher, for example).
        logits: float `(B, ..., C)`, before softmax.
        smoothing: float in [0, 1), `s`.

    Returns:
        float32 `(B, ...)`, nats.

    Raises:
        ValueError: where `smoothing` is out of its range.

    Example:
        >>> smoothed_cross_entropy(np.array([1]), np.zeros((1, 2)))  # log 2
    """
    _check_range(smoothing)
    logits = ops.cast(logits, "float32")
    even = smoothing / logits.shape[-1]
    if len(labels.shape) == len(logits.shape):
        chosen = (1 - smoothing) * ops.cast(labels, "float32") + even
    else:
        ids = ops.expand_dims(ops.cast(labels, "int32"), -1)
        own = ids == ops.arange(logits.shape[-1], dtype="int32")
        chosen = ops.where(own, 1 - smoothing + even, even)
    # One pass over what may be a large array; picking the label's logit
    # (`take_along_axis`) takes twice as long on TensorFlow and JAX.
    return ops.logsumexp(logits, axis=-1) - ops.sum(chosen * logits, axis=-1)


def token_mean(costs, counted, sample_weight=None):
    """The mean of what tokens cost, over all that count in the batch.

    Args:
        costs: float32 `(B, T)`.
        counted: bool or float `(B, T)`, which tokens count, or how much.
        sample_weight: float `(B,)`, how much a row counts, or None.

    Returns:
        float32 scalar; 0 where nothing counts.
    """
    weights = ops.cast(counted, "float32")
    if sample_weight is not None:
        rows = ops.cast(sample_weight, "float32")
        weights = weights * ops.reshape(rows, (-1, 1))
    return batch_mean(ops.sum(costs * weights), ops.sum(weights))


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SmoothedCrossEntropy(keras.losses.Loss):
    """`smoothed_cross_entropy` as a loss for `compile`.

    Keras smooths the labels only of one-hot targets; this takes class ids, or
    probabilities of the classes.

    Args:
        label_smoothing: float in [0, 1).

    Call arguments:
        y_true: int `(B,)` or `(B, 1)`, class ids; or float `(B, C)`,
            probabilities.
        y_pred: float `(B, C)`, logits.
        sample_weight: float `(B,)`, or None.

    Raises:
        ValueError: where the smoothing is out of range.

    Example:
        >>> SmoothedCrossEntropy(0.1)(np.array([1]), np.zeros((1, 2)))  # log 2
    """

    def __init__(
        self, label_smoothing=0.0, name="smoothed_cross_entropy", **kwargs
    ):
        super().__init__(name=name, **kwargs)
        _check_range(label_smoothing)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        if len(y_true.shape) == 2 and y_true.shape[-1] == 1:
            y_true = ops.squeeze(y_true, axis=-1)
        return smoothed_cross_entropy(y_true, y_pred, self.label_smoothing)

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
        }


def _check_range(smoothing):
    if not 0 <= smoothing < 1:
        raise ValueError(
            f"label smoothing {smoothing} must be at least 0 and below 1."
        )
