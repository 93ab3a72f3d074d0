"""The child process of an export: Keras on TensorFlow, one job, then gone.

`python -m keras_selfattn.export.worker FOLDER` reads the job that
`export.child` put into FOLDER and writes its result there.

Shapes: `B` batch.
"""

import importlib
import json
import sys
from pathlib import Path

from keras_selfattn.export.child import (
    ERROR_MARK,
    INPUTS_FILE,
    JOB_FILE,
    PRINTED_MARK,
    RESULT_FILE,
    WEIGHTS_FILE,
    read_examples,
    write_examples,
)
from keras_selfattn.export.flatbuffer import (
    operator_name,
    parse_model,
    share_buffers,
    tensor_name,
    write_model,
)
from keras_selfattn.export.quantize import (
    CHANNEL_AXIS,
    in_layer,
    to_float16,
    to_int8,
)
from keras_selfattn.export.quantize_tables import (
    tables_to_float16,
    tables_to_int8,
    untie_tables,
)

MODEL_FILE = "model.tflite"
SAVED_MODEL_FOLDER = "saved_model"
ONNX_FILE = "model.onnx"
OUTPUTS_FILE = "outputs.npz"


def run(folder):
    """Do the job in `folder` and return what was found out, a dict."""
    folder = Path(folder)
    job = json.loads((folder / JOB_FILE).read_text("utf-8"))
    examples = read_examples(folder / INPUTS_FILE)
    task = rebuild(job, folder / WEIGHTS_FILE)
    if job["kind"] == "saved_model":
        return _save_and_run(task, folder, examples, job["text"])
    if job["kind"] == "onnx":
        return _convert_and_run(task, folder, examples)
    content, changed = to_litert(task, job["quantize"], folder, examples)
    write_model(parse_model(content), folder / MODEL_FILE)
    return {"weights_quantized": changed}


def rebuild(job, weights):
    """Return the task that the job describes, with its weights."""
    from keras_selfattn.tasks.task import load_weight_file

    _say("building the model on TensorFlow")
    cls = getattr(importlib.import_module(job["module"]), job["class_name"])
    task = cls.from_config(job["config"])
    load_weight_file(task, weights)
    return task


def exported_module(task, dynamic_batch):
    """Return a `tf.Module` with the exported signature and its parts.

    Args:
        task: a Task that can be exported.
        dynamic_batch: bool; True: inputs `(B, length)`, and their lengths
            where the signature has them; False: inputs `(1, length)` alone.

    Returns:
        tf.Module; `traced` holds the functions by the signatures' names.
    """
    import tensorflow as tf

    signature = task.export_signature()
    rows = None if dynamic_batch else 1
    shapes = {
        name: [rows, None, *signature.item_shape] for name in signature.inputs
    }
    if signature.shapes is not None:
        shapes = {name: [None, *s] for name, s in signature.shapes.items()}
    specs = {
        name: tf.TensorSpec(shapes[name], dtype, name)
        for name, dtype in signature.inputs.items()
    }
    lengths = signature.lengths
    if lengths is not None and dynamic_batch:
        specs[lengths] = tf.TensorSpec([None], tf.int32, lengths)

    class Exported(tf.Module):
        def __init__(self):
            super().__init__()
            # A module that does not hold its variables saves none.
            self.held = [variable.value for variable in task.variables]

        @tf.function
        def run(self, **inputs):
            if lengths is not None and not dynamic_batch:
                whole = next(iter(inputs.values()))
                inputs = {**inputs, lengths: tf.shape(whole)[1:2]}
            found = task.export_outputs(inputs)
            return {
                name: tf.cast(found[name], dtype)
                for name, dtype in signature.outputs.items()
            }

    module = Exported()
    traced = module.run.get_concrete_function(**specs)
    module.traced = {signature.name: traced}
    for name, (function, inputs) in task.export_parts(rows).items():
        specs = {
            key: tf.TensorSpec(shape, dtype, key)
            for key, (shape, dtype) in inputs.items()
        }
        part = tf.function(function)
        module.traced[name] = part.get_concrete_function(**specs)
    return module


def to_litert(task, quantize, folder, examples=()):
    """Convert to the bytes of a .tflite file of built-in operators.

    Args:
        task: a Task that can be exported, on the TensorFlow backend.
        quantize: "none", "float16", "dynamic" or "int8".
        folder: path for intermediate files.
        examples: dicts of arrays to calibrate "int8" with.

    Returns:
        bytes, and how many weights were quantised.
    """
    import tensorflow as tf

    module = exported_module(task, dynamic_batch=False)
    saved = str(Path(folder) / SAVED_MODEL_FOLDER)
    _say("tracing")
    tf.saved_model.save(module, saved, signatures=dict(module.traced))
    signature = task.export_signature()
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved, signature_keys=list(module.traced)
    )
    # Nothing but built-ins: a Flex operator is an error here, not on a phone.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    float_layers = signature.float_layers
    if quantize == "int8":
        content, changed = _convert_int8(
            converter, task, examples, float_layers
        )
    else:
        _say("converting")
        content, changed = converter.convert(), 0
    if quantize != "none":
        _say(f"quantising ({quantize})")
    model = parse_model(content)
    changes = {
        "none": (),
        "float16": (to_float16, tables_to_float16),
        "dynamic": (to_int8, tables_to_int8),
        "int8": (tables_to_int8,),
    }[quantize]
    if quantize in ("float16", "dynamic"):
        untie_tables(model)
    changed += sum(change(model, float_layers) for change in changes)
    share_buffers(model)
    write_model(model, Path(folder) / MODEL_FILE)
    return (Path(folder) / MODEL_FILE).read_bytes(), changed


def _convert_int8(converter, task, examples, float_layers):
    """Convert with int8 weights and activations in the matrix operators.

    Everything between them stays float32: normalisations, softmax and
    positions lose most in int8 (the recogniser with all in int8 kept two
    tokens in three) and weigh nothing.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    of_parts = task.export_part_examples(examples)
    whole = task.export_signature().name

    def batches():
        for example in examples:
            batch = {name: value[None] for name, value in example.items()}
            # Where there are parts, examples say whose they are.
            yield (whole, batch) if of_parts else batch
        yield from of_parts

    _say(f"converting and calibrating on {len(examples)} examples")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    converter.representative_dataset = batches
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    denied, changed = [], 0
    model = parse_model(calibrated)
    for graph in model.subgraphs:
        for operator in graph.operators:
            names = [tensor_name(graph, i) for i in operator.outputs if i >= 0]
            kept = any(in_layer(names, layer) for layer in float_layers)
            if kept or operator_name(model, operator)[0] not in CHANNEL_AXIS:
                denied += names
            else:
                changed += 1
    return mlir_quantize(calibrated, denylisted_nodes=denied), changed


def add_text_signatures(task, module):
    """Give a module of a batch of any size the signatures of texts.

    Raises:
        ValueError: the task has none, or its tokenizer gives other ids in
            TensorFlow than in Python.
    """
    import tensorflow as tf

    from keras_selfattn.export.text_probes import differing_ids
    from keras_selfattn.export.text_signatures import text_signatures

    _say("putting the tokenizer into the graph")
    if differing := differing_ids(task):
        raise ValueError(
            "The tokenizer gives other ids in TensorFlow than in Python for "
            f"{differing[0][:80]!r}; export without text."
        )
    made, module.held_for_texts = text_signatures(task, dict(module.traced))
    for signature in made:
        specs = {
            name: tf.TensorSpec(shape, dtype, name)
            for name, (shape, dtype) in signature.inputs.items()
        }
        function = tf.function(signature.function)
        traced = function.get_concrete_function(**specs)
        module.traced[signature.name] = traced


def _save_and_run(task, folder, examples, with_text):
    """Write a SavedModel, load it again and keep what it gives."""
    import tensorflow as tf

    module = exported_module(task, dynamic_batch=True)
    if with_text:
        add_text_signatures(task, module)
    saved = str(folder / SAVED_MODEL_FOLDER)
    _say("tracing and saving")
    tf.saved_model.save(module, saved, signatures=dict(module.traced))
    signature = task.export_signature()
    run_saved = tf.saved_model.load(saved).signatures[signature.name]

    def run_one(inputs):
        found = run_saved(**{k: tf.constant(x) for k, x in inputs.items()})
        return {name: x.numpy() for name, x in found.items()}

    _keep_outputs(signature, run_one, folder, examples)
    return {}


def _convert_and_run(task, folder, examples):
    """Write an ONNX file and keep what ONNX Runtime makes of it."""
    import onnxruntime

    from keras_selfattn.export.graph_to_onnx import graph_to_onnx

    _say("tracing and converting")
    signature = task.export_signature()
    module = exported_module(task, dynamic_batch=True)
    model = graph_to_onnx(module.traced[signature.name])
    path = folder / ONNX_FILE
    path.write_bytes(model.SerializeToString())
    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run_one(inputs):
        return dict(zip(names, session.run(names, inputs), strict=True))

    _keep_outputs(signature, run_one, folder, examples)
    return {}


def _keep_outputs(signature, run_one, folder, examples):
    """Write what a model makes of examples, each as a batch of one."""
    import numpy as np

    outputs = []
    for example in examples:
        inputs = {name: x[None] for name, x in example.items()}
        if signature.lengths is not None:
            length = len(next(iter(example.values())))
            inputs[signature.lengths] = np.array([length], "int32")
        found = run_one(inputs)
        outputs.append({name: x[0] for name, x in found.items()})
    write_examples(folder / OUTPUTS_FILE, outputs)


def _say(line):
    print(f"{PRINTED_MARK}{line}", flush=True)


def main(folder):
    """Run the job in `folder`; the exit status says whether it was done."""
    try:
        result = run(folder)
    except Exception as error:
        reason = " ".join(str(error).split())[:600]
        print(
            f"{ERROR_MARK}{type(error).__name__}: {reason}",
            file=sys.stderr,
            flush=True,
        )
        raise
    (Path(folder) / RESULT_FILE).write_text(json.dumps(result), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
