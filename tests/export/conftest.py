"""Files to test the export with: a hand-made one, and real exports.

Real exports run TensorFlow in a child process, so each is made once.
"""

import importlib.util

import numpy as np
import pytest

TINY = {"hidden_dim": 32, "num_heads": 2, "intermediate_dim": 64}


@pytest.fixture(scope="session")
def matrices():
    """Weights of the hand-made file, `(outputs, inputs)`: front, back."""
    random = np.random.default_rng(0)
    return (
        random.normal(size=(48, 40)).astype("float32"),
        random.normal(size=(32, 48)).astype("float32"),
    )


@pytest.fixture
def hand_made(matrices):
    """A ModelT: `x (1, 40)` -> frontend's matrix -> head's matrix."""
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name, shape, buffer):
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name.encode(), shape, buffer
        made.type = schema.TensorType.FLOAT32
        return made

    def product(inputs, output):
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = 0, inputs, [output]
        made.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        made.builtinOptions = schema.FullyConnectedOptionsT()
        return made

    model = schema.ModelT()
    model.version = 3
    code = schema.OperatorCodeT()
    code.builtinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.deprecatedBuiltinCode = code.builtinCode
    code.version = 1
    model.operatorCodes = [code]
    model.buffers = [schema.BufferT() for _ in range(3)]
    for buffer, matrix in zip(model.buffers[1:], matrices, strict=True):
        buffer.data = matrix.reshape(-1).view(np.uint8)
    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("x", [1, 40], 0),
        tensor("model/frontend_1/Const", [48, 40], 1),
        tensor("model/frontend_1/MatMul", [1, 48], 0),
        tensor("model/head_1/kernel", [32, 48], 2),
        tensor("model/head_1/MatMul;model/head_1/Add", [1, 32], 0),
    ]
    graph.operators = [product([0, 1, -1], 2), product([2, 3, -1], 4)]
    graph.inputs, graph.outputs = [0], [4]
    model.subgraphs = [graph]
    return model


@pytest.fixture
def run_file():
    """Runs the one subgraph of a file: array in, array out."""
    from ai_edge_litert.interpreter import Interpreter

    def run(path, x):
        interpreter = Interpreter(str(path), num_threads=1)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
        interpreter.invoke()
        index = interpreter.get_output_details()[0]["index"]
        return interpreter.get_tensor(index)

    return run


@pytest.fixture(scope="session")
def task():
    """A recogniser with random weights, on the backend of this process."""
    import keras

    from keras_selfattn.export.probes import probe_waveforms
    from keras_selfattn.models.conformer import ConformerEncoder
    from keras_selfattn.tasks.speech_recognizer import SpeechRecognizer

    keras.utils.set_random_seed(0)
    stages = [
        {**TINY, "num_layers": 1, "kernel_size": 7, "positions": "rotary"},
        {
            **TINY,
            "strides": [1],
            "num_layers": 1,
            "block": "transformer",
            "positions": "sinusoidal",
        },
    ]
    task = SpeechRecognizer(encoder=ConformerEncoder(80, stages))
    # A random head prefers one token everywhere: without its preference,
    # tokens change from frame to frame and comparing them says something.
    scores = task.frame_log_probabilities(probe_waveforms(16000, 1600))
    task.head.bias.assign(-np.concatenate(scores).mean(axis=0))
    return task


@pytest.fixture(scope="session")
def classifier():
    """A text classifier with random weights and two streams of ids."""
    import keras

    from keras_selfattn.models.text_encoder import TextEncoder
    from keras_selfattn.preprocessing.text_tokenizer import TextTokenizer
    from keras_selfattn.tasks.text_classifier import TextClassifier

    keras.utils.set_random_seed(0)
    words = ["<padding>", "<unknown>", *(f"w{i}" for i in range(200))]
    tokenizer = TextTokenizer(words, ngrams={"num_buckets": 300})
    encoder = TextEncoder(
        tokenizer.vocabulary_size, 16, 1, 2, 32, embedding_dim=12, fixed_dim=8
    )
    task = TextClassifier(
        ["bad", "so so", "good"], tokenizer, encoder, ["attention", "max"]
    )
    random = np.random.default_rng(0)
    for layer in (
        encoder.get_layer("fixed_embedding"),
        task.get_layer("ngram_embedding"),
    ):
        shape = layer.embeddings.shape
        layer.embeddings.assign(random.normal(size=shape))
    return task


@pytest.fixture(scope="session")
def exported(task, tmp_path_factory):
    """Exports the tiny recogniser, once for each kind: `(path, report)`."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    from keras_selfattn.export.litert import export_litert
    from keras_selfattn.export.probes import probe_waveforms

    folder = tmp_path_factory.mktemp("exported")
    made = {}

    def export(quantize):
        if quantize not in made:
            path = folder / f"{quantize}.tflite"
            recordings = None
            if quantize == "int8":
                recordings = probe_waveforms(16000, 1600)
            lines = []
            report = export_litert(
                task,
                path,
                quantize,
                representative=recordings,
                progress=lines.append,
            )
            made[quantize] = path, report, lines
        return made[quantize]

    return export
