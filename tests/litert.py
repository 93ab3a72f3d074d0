"""Conversion to LiteRT's built-in operations, from the TensorFlow backend."""

import keras
import numpy as np
import pytest

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the converter starts from the TensorFlow backend",
)


def run_converted(function, **inputs):
    """Converts `function` with axis 1 unknown and runs the file.

    Only built-in operations are allowed: anything else fails to convert.

    Args:
        function: takes the inputs by name, returns one tensor.
        **inputs: arrays; axis 0 has length 1.
    """
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    specs = {
        name: tf.TensorSpec(
            [
                None if axis == 1 else size
                for axis, size in enumerate(value.shape)
            ],
            value.dtype,
            name=name,
        )
        for name, value in inputs.items()
    }
    concrete = tf.function(function).get_concrete_function(**specs)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    interpreter = Interpreter(model_content=converter.convert(), num_threads=1)
    details = {
        detail["name"].split(":")[0]: detail["index"]
        for detail in interpreter.get_input_details()
    }
    for name, value in inputs.items():
        interpreter.resize_tensor_input(details[name], value.shape)
    interpreter.allocate_tensors()
    for name, value in inputs.items():
        interpreter.set_tensor(details[name], np.ascontiguousarray(value))
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
