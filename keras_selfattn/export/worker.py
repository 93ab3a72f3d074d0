"""The child process of an export: Keras on TensorFlow, one job, then gone.

`python -m keras_selfattn.export.worker FOLDER` reads the job that
`export.child` put into FOLDER and writes its result there.

Shapes: `B` batch, `L` samples, `T` output frames, `V` vocabulary.
"""

import importlib
import json
import sys
from pathlib import Path

import numpy as np

from keras_selfattn.export.child import (
    ERROR_MARK,
    JOB_FILE,
    PRINTED_MARK,
    RESULT_FILE,
    WAVEFORMS_FILE,
    WEIGHTS_FILE,
)
from keras_selfattn.export.flatbuffer import (
    operator_name,
    parse_model,
    tensor_name,
    write_model,
)
from keras_selfattn.export.quantize import (
    CHANNEL_AXIS,
    in_layer,
    to_float16,
    to_int8,
)

SIGNATURE = "transcribe"
MODEL_FILE = "model.tflite"
SAVED_MODEL_FOLDER = "saved_model"
OUTPUTS_FILE = "outputs.npz"
# Its output spans 100 dB and more: eight bits cannot hold it.
FLOAT_LAYERS = ("frontend",)


def run(folder):
    """Do the job in `folder` and return what was found out, a dict."""
    folder = Path(folder)
    job = json.loads((folder / JOB_FILE).read_text("utf-8"))
    with np.load(folder / WAVEFORMS_FILE) as archive:
        waveforms = [archive[key] for key in archive.files]
    task = rebuild(job, folder / WEIGHTS_FILE)
    if job["kind"] == "saved_model":
        return _save_and_run(task, folder, waveforms)
    content, changed = to_litert(task, job["quantize"], folder, waveforms)
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


def transcribe_module(task, dynamic_batch):
    """Return a `tf.Module` whose `transcribe` is the exported signature.

    Args:
        task: SpeechRecognizer.
        dynamic_batch: bool; True: samples `(B, L)` and num_samples `(B,)` in;
            False: samples `(1, L)` alone.

    Returns:
        tf.Module; `transcribe` gives `token_ids`, int32 `(B, T)`, each token
        at the frame where it starts and 0 elsewhere, and `log_probabilities`,
        float32 `(B, T, V)`.
    """
    import tensorflow as tf

    def emissions(samples, num_samples):
        logits = task(
            {"samples": samples, "num_samples": num_samples}, training=False
        )  # (B, T, V)
        # argmax of floats has no built-in operator: Keras patches -0.0.
        best = tf.math.top_k(logits, 1).indices[..., 0]  # (B, T)
        previous = tf.pad(best, [[0, 0], [1, 0]])[:, :-1]
        starts = tf.not_equal(best, previous)  # a blank start is 0 anyway
        frames = tf.range(tf.shape(best)[1])
        valid = task.output_lengths(num_samples)[:, tf.newaxis]
        return {
            "token_ids": tf.where(
                starts & (frames < valid), best, tf.zeros_like(best)
            ),
            "log_probabilities": tf.nn.log_softmax(logits),
        }

    class Transcribe(tf.Module):
        def __init__(self):
            super().__init__()
            # A module that does not hold its variables saves none.
            self.held = [variable.value for variable in task.variables]

        if dynamic_batch:

            @tf.function(
                input_signature=[
                    tf.TensorSpec([None, None], tf.float32, "samples"),
                    tf.TensorSpec([None], tf.int32, "num_samples"),
                ]
            )
            def transcribe(self, samples, num_samples):
                return emissions(samples, num_samples)

        else:

            @tf.function(
                input_signature=[
                    tf.TensorSpec([1, None], tf.float32, "samples")
                ]
            )
            def transcribe(self, samples):
                return emissions(samples, tf.shape(samples)[1:])

    return Transcribe()


def to_litert(task, quantize, folder, waveforms=()):
    """Convert to the bytes of a .tflite file of built-in operators.

    Args:
        task: SpeechRecognizer on the TensorFlow backend.
        quantize: "none", "float16", "dynamic" or "int8".
        folder: path for intermediate files.
        waveforms: float32 arrays `(L,)` to calibrate "int8" with.

    Returns:
        bytes, and how many weights were quantised.
    """
    import tensorflow as tf

    module = transcribe_module(task, dynamic_batch=False)
    saved = str(Path(folder) / SAVED_MODEL_FOLDER)
    _say("tracing")
    tf.saved_model.save(
        module, saved, signatures={SIGNATURE: module.transcribe}
    )
    converter = tf.lite.TFLiteConverter.from_saved_model(
        saved, signature_keys=[SIGNATURE]
    )
    # Nothing but built-ins: a Flex operator is an error here, not on a phone.
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    if quantize == "int8":
        return _convert_int8(converter, waveforms)
    _say("converting")
    content = converter.convert()
    if quantize == "none":
        return content, 0
    _say(f"quantising ({quantize})")
    model = parse_model(content)
    change = {"float16": to_float16, "dynamic": to_int8}[quantize]
    changed = change(model, FLOAT_LAYERS)
    write_model(model, Path(folder) / MODEL_FILE)
    return (Path(folder) / MODEL_FILE).read_bytes(), changed


def _convert_int8(converter, waveforms):
    """Convert with int8 weights and activations in the matrix operators.

    Everything between them stays float32: normalisations, softmax and
    positions lose most in int8 (the recogniser with all in int8 kept two
    tokens in three) and weigh nothing.
    """
    import tensorflow as tf
    from tensorflow.lite.python.convert import mlir_quantize

    def recordings():
        for waveform in waveforms:
            yield {"samples": waveform[np.newaxis]}

    _say(f"converting and calibrating on {len(waveforms)} recordings")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
        tf.lite.OpsSet.TFLITE_BUILTINS,
    ]
    converter.representative_dataset = recordings
    converter._experimental_calibrate_only = True
    calibrated = converter.convert()
    _say("quantising (int8)")
    denied, changed = [], 0
    model = parse_model(calibrated)
    for graph in model.subgraphs:
        for operator in graph.operators:
            names = [tensor_name(graph, i) for i in operator.outputs if i >= 0]
            kept = any(in_layer(names, layer) for layer in FLOAT_LAYERS)
            if kept or operator_name(model, operator)[0] not in CHANNEL_AXIS:
                denied += names
            else:
                changed += 1
    return mlir_quantize(calibrated, denylisted_nodes=denied), changed


def _save_and_run(task, folder, waveforms):
    """Write a SavedModel, load it again and keep what it gives."""
    import tensorflow as tf

    module = transcribe_module(task, dynamic_batch=True)
    saved = str(folder / SAVED_MODEL_FOLDER)
    _say("tracing and saving")
    tf.saved_model.save(
        module, saved, signatures={SIGNATURE: module.transcribe}
    )
    signature = tf.saved_model.load(saved).signatures[SIGNATURE]
    outputs = {}
    for i, waveform in enumerate(waveforms):
        found = signature(
            samples=tf.constant(waveform[np.newaxis]),
            num_samples=tf.constant([len(waveform)], tf.int32),
        )
        for name, value in found.items():
            outputs[f"{name}/{i}"] = value.numpy()[0]
    np.savez(folder / OUTPUTS_FILE, **outputs)
    return {}


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
