"""Options that all Transformer blocks of a model share."""

BLOCK = {"activation": "gelu", "norm": "layer", "norm_first": True}


def complete_block(block):
    """A block's options with the defaults filled in; others are refused.

    Args:
        block: dict with some of "activation" ("gelu"), "norm" ("layer") and
            "norm_first" (True), see EncoderBlock; or None.

    Returns:
        dict with all of them.

    Raises:
        ValueError: for an unknown entry.
    """
    unknown = sorted(set(block or ()) - set(BLOCK))
    if unknown:
        raise ValueError(
            f"block has unknown entries {unknown}; known: {sorted(BLOCK)}."
        )
    return {**BLOCK, **(block or {})}
