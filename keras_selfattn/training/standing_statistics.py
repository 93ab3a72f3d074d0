"""The means and variances of batch norms, computed anew for fixed weights.

Moving means belong to the weights of the last steps; averaged weights need
their own.
"""

import keras


def standing_statistics(model, batches):
    """Gives a model's batch norms their means over batches.

    Nothing else changes: what calls in training assign (singular vectors) gets
    its values back.

    Reference: Brock et al. 2019 (arXiv:1809.11096), section 4.1, "standing
    statistics".

    Args:
        model: keras.Model with `keras.layers.BatchNormalization` somewhere in
            it.
        batches: iterable of the model's inputs, one at least.

    Raises:
        ValueError: no batch norm or no batch.
    """
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    wanted = [
        v for norm in norms for v in (norm.moving_mean, norm.moving_variance)
    ]
    if not norms:
        raise ValueError(f"{model.name} has no batch norm.")
    before = {
        id(v): (v, keras.ops.convert_to_numpy(v.value).copy())
        for v in model.non_trainable_variables
    }
    momenta = [norm.momentum for norm in norms]
    totals, number = [0.0] * len(wanted), 0
    trainable = [norm.trainable for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0  # what a call leaves is its batch's own
            norm.trainable = True  # frozen ones take no part in training
        for batch in batches:
            model(batch, training=True)
            values = [keras.ops.convert_to_numpy(v.value) for v in wanted]
            totals = [t + v.astype("float64") for t, v in zip(totals, values)]
            number += 1
    finally:
        for norm, momentum, was in zip(norms, momenta, trainable):
            norm.momentum, norm.trainable = momentum, was
        for variable, value in before.values():
            variable.assign(value)
    if not number:
        raise ValueError("No batches; expected one or more.")
    for variable, total in zip(wanted, totals, strict=True):
        variable.assign((total / number).astype("float32"))
