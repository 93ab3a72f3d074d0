"""Cross-entropy of class ids, with label smoothing.

Shapes: `B` batch, `C` classes.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="keras_selfattn")
class SmoothedCrossEntropy(keras.losses.Loss):
    """`-sum_c q_c log p_c`, `q = (1 - s) onehot(y) + s / C`, from logits.

    Keras smooths the labels only of one-hot targets; this takes class ids, or
    probabilities of the classes (of a teacher, for example).

    Reference: Szegedy et al. 2016 (arXiv:1512.00567), section 7.

    Args:
        label_smoothing: float in [0, 1), `s`.

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
        if not 0 <= label_smoothing < 1:
            raise ValueError(
                f"label_smoothing={label_smoothing} must be at least 0 and "
                "below 1."
            )
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        logs = ops.log_softmax(ops.cast(y_pred, "float32"), axis=-1)
        num_classes = logs.shape[-1]
        if len(y_true.shape) == 2 and y_true.shape[-1] != 1:
            chosen = ops.cast(y_true, "float32")  # (B, C)
        else:
            ids = ops.cast(ops.reshape(y_true, (-1,)), "int32")
            chosen = ops.one_hot(ids, num_classes, dtype="float32")
        right = -ops.sum(chosen * logs, axis=-1)
        even = -ops.mean(logs, axis=-1)
        smoothing = self.label_smoothing
        return (1 - smoothing) * right + smoothing * even

    def get_config(self):
        return {
            **super().get_config(),
            "label_smoothing": self.label_smoothing,
        }
