import importlib.util
import os
import subprocess
import sys

import pytest
from ai_edge_litert import schema_py_generated as schema

from keras_selfattn.export.flatbuffer import FileError, write_model
from keras_selfattn.export.lint import Finding, lint, operators

# Keras patches -0.0 in argmax, with operators that LiteRT does not have.
CONVERT_ARGMAX = """
import sys
import keras, tensorflow as tf

class Pick(keras.layers.Layer):
    def call(self, x):
        return keras.ops.argmax(x, axis=-1)

inputs = keras.Input((7,), name="features")
outputs = Pick(name="pick")(keras.layers.Dense(5, name="head")(inputs))
model = keras.Model(inputs, outputs, name="classifier")
function = tf.function(lambda x: model(x)).get_concrete_function(
    tf.TensorSpec([1, 7], tf.float32)
)
converter = tf.lite.TFLiteConverter.from_concrete_functions([function])
converter.target_spec.supported_ops = [
    tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS
]
open(sys.argv[1], "wb").write(converter.convert())
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.tflite"


@pytest.mark.slow
def test_names_a_real_flex_operator_and_its_layer(path):
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    subprocess.run(
        [sys.executable, "-c", CONVERT_ARGMAX, str(path)],
        env={**os.environ, "KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        check=True,
    )
    findings = lint(path)
    assert {finding.kind for finding in findings} == {"flex"}
    assert {finding.layer for finding in findings} == {"classifier/pick"}
    assert "FlexBitwiseAnd" in {finding.op for finding in findings}
    assert operators(path)["FlexBitwiseAnd"] >= 1


def test_names_a_custom_operator(hand_made, path):
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.CUSTOM
    code.deprecatedBuiltinCode = code.builtinCode
    code.customCode = b"AudioSpectrogram"
    hand_made.operatorCodes.append(code)
    hand_made.subgraphs[0].operators[0].opcodeIndex = 1
    write_model(hand_made, path)
    assert lint(path) == [
        Finding("AudioSpectrogram", "custom", "model/frontend")
    ]
    assert operators(path) == {"AudioSpectrogram": 1, "FULLY_CONNECTED": 1}


def test_finds_nothing_in_a_file_of_built_in_operators(hand_made, path):
    write_model(hand_made, path)
    assert lint(path) == []
    assert operators(path) == {"FULLY_CONNECTED": 2}


@pytest.mark.parametrize(
    "name, layer",
    [
        ("model_1/encoder_1/block_2_1/MatMul", "model/encoder/block_2"),
        (";;model/head/Add;model/head/MatMul", "model/head"),
        ("StatefulPartitionedCall:0", "StatefulPartitionedCall:0"),
        ("", ""),
    ],
)
def test_the_layer_is_read_from_the_output_s_name(name, layer, hand_made, path):
    hand_made.operatorCodes[0].builtinCode = schema.BuiltinOperator.CUSTOM
    hand_made.operatorCodes[0].deprecatedBuiltinCode = 32
    hand_made.operatorCodes[0].customCode = b"FlexRoll"
    hand_made.subgraphs[0].tensors[4].name = name.encode()
    write_model(hand_made, path)
    finding = lint(path)[1]
    assert (finding.kind, finding.layer) == ("flex", layer)
    assert (layer or "no name") in str(finding)


def test_refuses_other_files(path):
    path.write_bytes(b"RIFF0000WAVE")
    with pytest.raises(FileError, match="not a .tflite file"):
        lint(path)
