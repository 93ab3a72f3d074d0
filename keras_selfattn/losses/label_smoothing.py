"""Cross-entropy of tokens with smoothed labels.

Shapes: `B` batch, `T` tokens, `V` vocabulary.
"""

from keras import ops


def smoothed_cross_entropy(token_ids, logits, smoothing=0.0):
    """Negative log-likelihood of each token, its label spread a little.

    The label is `1 - smoothing` of the token plus `smoothing` of all tokens
    alike. Padding (id 0) costs 0 and gives no gradient. In float32 whatever
    the policy.

    Reference: Szegedy et al. 2016 (arXiv:1512.00567), section 7; Vaswani et
    al. 2017 (arXiv:1706.03762), section 5.4.

    Args:
        token_ids: int `(B, T)`, padded with 0.
        logits: float `(B, T, V)`, before softmax.
        smoothing: float in [0, 1).

    Returns:
        float32 `(B, T)`, nats.

    Raises:
        ValueError: where `smoothing` is out of its range.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing={smoothing}; expected 0 <= it < 1.")
    logits = ops.cast(logits, "float32")
    token_ids = ops.cast(token_ids, "int32")
    total = ops.logsumexp(logits, axis=-1)  # (B, T)
    own = ops.take_along_axis(logits, ops.expand_dims(token_ids, -1), axis=-1)
    costs = total - (1 - smoothing) * ops.squeeze(own, axis=-1)
    if smoothing:
        costs = costs - smoothing * ops.mean(logits, axis=-1)
    return ops.where(token_ids != 0, costs, ops.zeros_like(costs))
