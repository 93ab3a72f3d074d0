"""A loop that stays one operator in TensorFlow's graphs."""

import keras
from keras import ops

_SPREAD = "_lower_using_switch_merge"


def whole_loop(goes_on, do, start):
    """`ops.while_loop`; TensorFlow runs its body as a function.

    TensorFlow spreads a loop's body over the graph around it and optimises both
    as one. On processors for which it takes oneDNN's operators (AVX-512 and
    later), version 2.21 so broke the loops of `search_in_graph`: what they gave
    was empty, of shape (0,). It was right without oneDNN, without grappler's
    remapping, and with a loop that is one operator, as here. Elsewhere nothing
    changes.

    Args:
        goes_on: function of the loop's tensors to a bool scalar.
        do: function of them to the next ones, of the same shapes and types.
        start: tuple of (nested) tensors.

    Returns:
        The tensors after the last round, as `start`.
    """
    found = ops.while_loop(goes_on, do, start)
    if keras.backend.backend() == "tensorflow":
        _keep_whole(keras.tree.flatten(found)[0])
    return found


def _keep_whole(tensor):
    """Marks the loops of the graph that a tensor is in; none where eager."""
    graph = getattr(tensor, "graph", None)
    for operator in graph.get_operations() if graph is not None else ():
        if operator.type in ("While", "StatelessWhile"):
            spread = operator.node_def.attr[_SPREAD]
            spread.b = False
            operator._set_attr(_SPREAD, spread)
