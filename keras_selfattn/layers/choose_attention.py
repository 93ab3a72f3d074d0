"""The self-attention of a block, chosen by argument."""

import inspect

import keras

from keras_selfattn.layers.local_attention import LocalSelfAttention
from keras_selfattn.layers.low_rank_attention import LowRankSelfAttention
from keras_selfattn.layers.nystrom_attention import NystromSelfAttention
from keras_selfattn.layers.self_attention import MultiHeadSelfAttention

KINDS = {
    "full": MultiHeadSelfAttention,
    "local": LocalSelfAttention,
    "low_rank": LowRankSelfAttention,
    "nystrom": NystromSelfAttention,
}
WITHOUT_POSITIONS = ("low_rank", "nystrom")


def choose_attention(
    attention,
    num_heads,
    positions=None,
    dropout=0.0,
    seed=0,
    dtype=None,
    name="attention",
    use_bias=True,
):
    """Returns a new self-attention layer.

    Args:
        attention: what to make:
            None or "full": MultiHeadSelfAttention.
            A dict of "kind" ("full", "local", "low_rank" or "nystrom") and
            the arguments of that layer, which come before those below:
            `{"kind": "local", "window": 64}`.
            A layer that is not built: a copy of it, under `name`, in the
            dtype policy below and else as it is, whatever is below. A block
            so keeps its variable paths, and one layer may serve many blocks
            as their pattern.
            A layer's config, as `keras.saving.serialize_keras_object` gives.
        num_heads: int, attention heads.
        positions: see MultiHeadSelfAttention; "low_rank" and "nystrom" have
            none.
        dropout: float in [0, 1), on the attention weights.
        seed: int, seed of the dropout.
        dtype: dtype policy of the layer.
        name: str, the layer's name.
        use_bias: bool, biases in the projections.

    Raises:
        ValueError: for anything else, a layer that is built, or positions
            for a kind that has none.
    """
    if isinstance(attention, dict) and "class_name" in attention:
        attention = keras.saving.deserialize_keras_object(attention)
    if isinstance(attention, keras.layers.Layer):
        if attention.built:
            raise ValueError(
                f"The attention layer {attention.name!r} is built, but a "
                "block copies it with weights of its own; give one that has "
                "not been called."
            )
        config = {**attention.get_config(), "name": name, "dtype": dtype}
        return type(attention).from_config(config)
    arguments = {"kind": attention or "full"}
    if isinstance(attention, dict):
        arguments = dict(attention)
    kind = arguments.pop("kind", None)
    if kind not in KINDS:
        raise ValueError(
            f"attention={attention!r} is unknown; expected a kind of "
            f"{tuple(KINDS)}, a dict such as {{'kind': 'local', 'window': 64}},"
            " or an attention layer."
        )
    shared = {"num_heads": num_heads, "dropout": dropout, "seed": seed}
    shared["use_bias"] = use_bias
    if kind not in WITHOUT_POSITIONS:
        shared["positions"] = positions
    elif positions is not None:
        raise ValueError(
            f"positions={positions!r} do not go with {kind!r} attention; add "
            "SinusoidalPositions or LearnedPositions to the inputs."
        )
    return KINDS[kind](name=name, dtype=dtype, **{**shared, **arguments})


def attention_config(attention):
    """What a block's `get_config` keeps of its `attention` argument."""
    if isinstance(attention, keras.layers.Layer):
        return keras.saving.serialize_keras_object(attention)
    return attention


def known_arguments(layer, **arguments):
    """Those call arguments that are given, if the layer knows them all.

    Args:
        layer: an attention layer.
        **arguments: call arguments; None and False stand for "not given".

    Raises:
        ValueError: names what the layer does not know.
    """
    given = {
        name: value
        for name, value in arguments.items()
        if value is not None and value is not False
    }
    known = inspect.signature(layer.call).parameters
    unknown = [name for name in given if name not in known]
    if unknown:
        raise ValueError(
            f"{type(layer).__name__} takes no {', '.join(unknown)}; it takes "
            f"{', '.join(known)}. MultiHeadSelfAttention takes every mask."
        )
    return given
