"""A traced TensorFlow function as an ONNX model, by `tf2onnx`."""

import numpy as np

OPSET = 18
# It folds a reshape of attention's heads into another shape (tf2onnx 1.17):
# ONNX Runtime optimises when it loads a file anyway.
WITHOUT = ("reshape_optimizer",)


def graph_to_onnx(function):
    """An ONNX model of a concrete function.

    Args:
        function: concrete function that takes tensors by name and gives a
            dict of tensors.

    Returns:
        onnx.ModelProto, with the names of both.

    Raises:
        ValueError: an operator has no counterpart; names it.
    """
    import tensorflow as tf
    from tf2onnx import optimizer, tf_loader
    from tf2onnx.tfonnx import process_tf_graph

    taken = [t for t in function.inputs if t.dtype != tf.resource]
    inputs = {t.name: t.name.partition(":")[0] for t in taken}
    names = sorted(function.structured_outputs)
    outputs = {
        tensor.name: name
        for tensor, name in zip(function.outputs, names, strict=True)
    }
    frozen = tf_loader.from_function(function, list(inputs), list(outputs))
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")
        converted = process_tf_graph(
            graph,
            opset=OPSET,
            continue_on_error=True,
            custom_op_handlers={"Erfc": (_erfc, [])},
            input_names=list(inputs),
            output_names=list(outputs),
            tensors_to_rename={**inputs, **outputs},
        )
    known = optimizer._get_optimizers()
    converted = optimizer.optimize_graph(
        converted,
        optimizers={k: v for k, v in known.items() if k not in WITHOUT},
    )
    model = converted.make_model("keras_selfattn")
    _check(model)
    return model


def _check(model):
    import onnx

    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        raise ValueError(
            f"ONNX has no counterpart of something in this model: {error}"
        ) from error


def _erfc(graph, node, name, args):
    """1 - erf(x), for GELU; tf2onnx does not know it."""
    shapes, dtypes = node.output_shapes, node.output_dtypes
    outputs = node.output
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", node.input)
    one = graph.make_const(f"{node.name}_one", np.array(1.0, "float32"))
    graph.make_node(
        "Sub",
        [one.output[0], erf.output[0]],
        outputs=outputs,
        name=node.name,
        shapes=shapes,
        dtypes=dtypes,
    )
