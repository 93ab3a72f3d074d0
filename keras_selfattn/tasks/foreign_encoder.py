"""How a task calls an encoder: ours, or any Keras model with a vector a token.

The rule: the encoder takes token ids alone, or a dict whose keys are its
inputs' names, of which we know `token_ids`, `padding_mask` and `segment_ids`
(zero, unless given), in the types that it declares; it gives a tensor `(B, T,
D)`, or a dict that holds one under `hidden` (ours), `sequence_output`
(KerasHub) or `last_hidden_state`. So a KerasHub backbone works as it is, with a
tokenizer that gives its ids and pads with 0.

Shapes: `B` batch, `T` tokens, `D` features.
"""

from keras import ops

OUTPUTS = ("hidden", "sequence_output", "last_hidden_state")


def segments(token_ids, padding_mask, end_id):
    """Which of two texts a token is of: int `(B, T)`, 1 behind the first end.

    Args:
        token_ids: int `(B, T)`.
        padding_mask: bool `(B, T)`, True = real.
        end_id: int, the id of the mark that ends a text.
    """
    ends = ops.cast(ops.equal(token_ids, end_id), "int32")
    # Not a bool as an int: LiteRT's converter fails on where that is looked up.
    behind = ops.minimum(ops.cumsum(ends, axis=1) - ends, 1)
    return behind * ops.cast(padding_mask, "int32")


def encode(encoder, token_ids, padding_mask, segment_ids=None):
    """Calls an encoder by the rule of this file.

    Args:
        encoder: Keras model.
        token_ids: int `(B, T)`.
        padding_mask: bool `(B, T)`, True = real.
        segment_ids: int `(B, T)`; None: all zero.

    Returns:
        float `(B, T, D)`.

    Raises:
        ValueError: the encoder takes or gives something else.
    """
    if segment_ids is None:
        segment_ids = ops.zeros_like(token_ids)
    known = {
        "token_ids": lambda dtype: ops.cast(token_ids, dtype),
        "padding_mask": lambda dtype: ops.cast(padding_mask, dtype),
        "segment_ids": lambda dtype: ops.cast(segment_ids, dtype),
    }
    wanted = _input_types(encoder)
    if isinstance(wanted, str):
        return _checked(encoder(ops.cast(token_ids, wanted)))
    if unknown := sorted(set(wanted) - set(known)):
        raise ValueError(
            f"The encoder takes {sorted(wanted)}; a task gives "
            f"{sorted(known)} and knows no {', '.join(unknown)}."
        )
    return _checked(
        encoder({name: known[name](kind) for name, kind in wanted.items()})
    )


def _checked(found):
    """The tensor `(B, T, D)` in what an encoder gives."""
    if isinstance(found, dict):
        given = [name for name in OUTPUTS if name in found]
        if not given:
            raise ValueError(
                f"The encoder gives {sorted(found)}; expected a tensor "
                f"(B, T, D) or a dict with one of {OUTPUTS}."
            )
        found = found[given[0]]
    shape = getattr(found, "shape", ())
    if len(shape) != 3 or shape[-1] is None:
        raise ValueError(
            f"The encoder gives a tensor of shape {tuple(shape)}; expected "
            "(B, T, D), a vector a token."
        )
    return found


def _input_types(encoder):
    """Types of an encoder's inputs by name, or the type of its only input."""
    inputs = getattr(encoder, "input", None)
    if isinstance(inputs, dict):
        return {name: value.dtype for name, value in inputs.items()}
    inputs = getattr(encoder, "inputs", None) or ()
    if len(inputs) != 1:
        raise ValueError(
            "The encoder must be a functional Keras model that takes a dict, "
            f"or token ids alone; received a {type(encoder).__name__}."
        )
    return str(inputs[0].dtype)
