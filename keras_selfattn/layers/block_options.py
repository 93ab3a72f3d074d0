"""Options that all Transformer blocks of a model share, and how many."""

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


def two_depths(num_layers):
    """Blocks of an encoder and of a decoder.

    Args:
        num_layers: int, of each, or a pair.

    Returns:
        tuple of two ints.

    Raises:
        ValueError: for fewer than one, or for no pair.
    """
    pair = num_layers
    if isinstance(num_layers, int):
        pair = (num_layers, num_layers)
    if len(pair) != 2 or min(pair) < 1:
        raise ValueError(
            f"num_layers={num_layers!r}; expected an int >= 1, or a pair of "
            "them: blocks of the encoder, blocks of the decoder."
        )
    return tuple(pair)
