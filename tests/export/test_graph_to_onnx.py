import keras
import numpy as np
import pytest

pytest.importorskip("tf2onnx", reason="it converts")
onnxruntime = pytest.importorskip("onnxruntime", reason="it runs ONNX files")
pytestmark = pytest.mark.backend


@pytest.fixture(autouse=True)
def on_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("this is TensorFlow's graph, whatever trained the model")


def concrete(function):
    import tensorflow as tf

    spec = tf.TensorSpec([None, 3], "float32", "x")
    return tf.function(function).get_concrete_function(x=spec)


def test_names_stay_and_erfc_is_made_of_erf():
    import tensorflow as tf

    from keras_selfattn.export.graph_to_onnx import graph_to_onnx

    model = graph_to_onnx(
        concrete(lambda x: {"b": tf.math.erfc(x), "a": tf.reduce_sum(x, 1)})
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    x = np.array([[-2.0, 0.1, 3.0], [0.5, 0.0, -0.3]], "float32")
    erfc, summed = session.run(["b", "a"], {"x": x})
    np.testing.assert_allclose(erfc, tf.math.erfc(x), atol=1e-6)
    np.testing.assert_allclose(summed, x.sum(1), atol=1e-6)


def test_an_operator_without_counterpart_is_named():
    import tensorflow as tf

    from keras_selfattn.export.graph_to_onnx import graph_to_onnx

    with pytest.raises(ValueError, match="no counterpart.*Lgamma"):
        graph_to_onnx(concrete(lambda x: {"a": tf.math.lgamma(x)}))
