"""Whether what an exported model gives is what Keras gives."""

import math

from keras_selfattn.export.child import ExportError
from keras_selfattn.export.verify import LEAST_AGREEMENT, compare

TOLERANCE = 1e-2


def agreement(task, examples, outputs, what):
    """Holds outputs of an exported model against the Keras model.

    Args:
        task: Task.
        examples: list of dicts of arrays, see `export.signature`.
        outputs: list of dicts of arrays, what the exported model gives.
        what: str, how messages call it ("SavedModel").

    Returns:
        float, the largest difference between log-probabilities or pixels, None
        where there are none; and str, how far they agree.

    Raises:
        ExportError: they differ by more than rounding.
    """
    found = compare(
        task.export_signature(), task.reference_outputs, examples, outputs
    )
    difference = found.max_abs_difference
    if difference is None:
        if found.equal < LEAST_AGREEMENT * found.compared:
            raise ExportError(
                f"Only {found.equal} of the {what}'s {found.compared} "
                "decisions are those of Keras. A layer behaves otherwise on "
                "TensorFlow: compare the backends."
            )
    elif not (math.isfinite(difference) and difference <= TOLERANCE):
        raise ExportError(
            f"The {what}'s {found.values} differ from the Keras model's by "
            f"{difference:.3g}; at most {TOLERANCE} is rounding. A layer "
            "behaves otherwise on TensorFlow: compare the backends."
        )
    return difference, str(found)
