"""A task as ONE .tflite file of built-in operators, no Flex.

Works from any backend: weights and config go to a child process that runs
Keras on TensorFlow (`export.worker`), and the file is checked against the
model in this process before it gets its name.
"""

import math
import tempfile
from dataclasses import replace
from pathlib import Path

from keras_selfattn import __version__
from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.export import metadata
from keras_selfattn.export.child import (
    ExportError,
    require_tensorflow,
    run_worker,
    show,
)
from keras_selfattn.export.verify import LEAST_AGREEMENT, Report, inspect
from keras_selfattn.export.verify import verify as verify_file
from keras_selfattn.export.worker import MODEL_FILE

__all__ = ["ExportError", "QUANTIZE", "Report", "export_litert"]

QUANTIZE = ("none", "float16", "dynamic", "int8")
# Same weights, other kernels: what rounding explains, and no more.
FLOAT_TOLERANCE = 1e-2


def export_litert(
    task,
    path,
    quantize="none",
    representative=None,
    verify=True,
    progress=None,
):
    """Write a task as one .tflite file and check it.

    The file has the signature of `task.export_signature()`, and those of
    `task.export_parts()`; any length works. What else a host must know stands
    in the file as metadata.

    A speech recogniser's is `transcribe`: `samples`, float32 `(1, L)`, in;
    `token_ids`, int32 `(1, T)` (each token at the frame where it starts, 0
    elsewhere), and `log_probabilities`, float32 `(1, T, V)`, out. Where its
    encoder streams, its part is `stream`, which is checked, too: `samples`,
    float32 `(1, S)`, `num_samples`, int32 `(1,)`, and `state_*` in;
    `token_ids`, `log_probabilities` and `next_state_*` out; see
    `tasks.streaming_graph`.

    Whisper's is `transcribe`, too: `samples` in; `token_ids`, int32 `(1, T)`,
    out: the text of the first 30 s, then the token that ends it. So is
    Moonshine's, of samples of any length from the metadata's `min_samples` to
    its `max_samples`.

    A text classifier's is `classify`: `token_ids`, int32 `(1, T)`, and, with
    n-grams, `ngram_ids`, int32 `(1, G)`, in; `log_probabilities`, float32
    `(1, C)`, and, with attention pooling, `attention_weights`, float32
    `(1, T)`, out.

    A translator's is `translate`, a whole greedy search: `source_ids`, int32
    `(1, S)`, in; `token_ids`, int32 `(1, L)`, padded with 0, out. Its parts
    are `translate_beam`, a whole beam search, which also takes `alpha`, and
    `encode` and `decode_step`; see `tasks.translation_graph`.

    An image generator's is `generate`: `latents`, float32 `(B, Z)`, and
    `labels`, int32 `(B,)`, in; `images`, float32 `(B, Y, X, C)` in [0, 1], out,
    for any number of images at once.

    Args:
        task: a Task, on any backend.
        path: str or path of the file; one that is there is replaced.
        quantize: how the weights of matrices, convolutions and embeddings are
            kept; a front end stays float32 in all of them.
            "none": float32.
            "float16": half the size, computed in float32.
            "dynamic": int8, a quarter of the size; activations are quantised
            as they come.
            "int8": int8 with fixed activation ranges, found by running
            `representative`; for accelerators that take nothing else. What
            lies between the matrices stays float32.
        representative: 20 to 200 typical inputs (paths or float arrays `(L,)`
            at the task's rate; texts). Only for "int8", which demands it.
        verify: bool, run the file beside the Keras model and refuse a float
            file that differs. False only looks at the operators.
        progress: called with lines of text; default: print them on stderr.

    Returns:
        Report.

    Raises:
        ValueError: an argument is out of range; see its message.
        ExportError (a ValueError): the conversion or the check failed;
            nothing was written.
        ImportError: TensorFlow is not installed.

    Example:
        >>> report = export_litert(task, "asr.tflite", quantize="dynamic")
        >>> report.not_built_in
        []
    """
    from keras_selfattn.tasks.task import Task

    progress = progress or show
    path = Path(path)
    if not isinstance(task, Task):
        raise ValueError(
            f"export_litert takes a Task, received a {type(task).__name__}."
        )
    if quantize not in QUANTIZE:
        raise ValueError(
            f"quantize={quantize!r} is unknown; use one of {QUANTIZE}."
        )
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ValueError(
            f"{path} cannot be written: expected a file name in a folder "
            "that exists."
        )
    examples = _representative(task, quantize, representative)
    require_tensorflow()
    with tempfile.TemporaryDirectory(prefix="keras_selfattn-") as folder:
        progress(f"exporting {path.name} (quantize={quantize})")
        run_worker(
            task,
            {"kind": "litert", "quantize": quantize},
            folder,
            examples,
            progress,
        )
        made = Path(folder) / MODEL_FILE
        metadata.append(made, describe(task, quantize))
        progress("verifying" if verify else "looking at the operators")
        report = verify_file(task, made) if verify else inspect(made, quantize)
        _refuse(report)
        write_atomically(path, made.read_bytes())
    report = replace(report, path=str(path))
    progress(str(report))
    return report


def describe(task, quantize):
    """Return the metadata of a task's file."""
    return {
        "format": 1,
        "task": type(task).__name__,
        "name": task.name,
        **task.export_metadata(),
        "signature": task.export_signature().name,
        "quantize": quantize,
        "producer": f"keras_selfattn {__version__}",
    }


def _representative(task, quantize, representative):
    if quantize != "int8":
        if representative is not None:
            raise ValueError(
                f"representative is for quantize='int8'; quantize="
                f"{quantize!r} needs no examples. Leave it out."
            )
        return []
    items = [] if representative is None else list(representative)
    if not items:
        raise ValueError(
            "quantize='int8' fixes the ranges of activations and must see "
            "some: give representative=, a list of 20 to 200 typical inputs "
            "(recordings as paths or arrays; texts), or use "
            "quantize='dynamic'."
        )
    return task.calibration_inputs(items)


def _refuse(report):
    """Raise where the file is not fit to be written."""
    if report.not_built_in:
        found = "; ".join(str(finding) for finding in report.not_built_in)
        raise ExportError(
            f"The file needs operators that a plain runtime lacks: {found}."
        )
    _refuse_difference("file", report.whole, report.quantize)
    for name, found in report.parts.items():
        _refuse_difference(f"file's {name!r}", found, report.quantize)


def _refuse_difference(what, found, quantize):
    """Raise where `what` decides otherwise than Keras does."""
    if quantize == "none" and found.equal < LEAST_AGREEMENT * found.compared:
        raise ExportError(
            f"The {what}: only {found.equal} of {found.compared} "
            f"{found.words}. A layer behaves otherwise on TensorFlow: compare "
            "the backends."
        )
    difference = found.max_abs_difference
    if difference is None:
        return
    if not math.isfinite(difference):
        raise ExportError(
            f"The {what} gives values that are not finite (quantize="
            f"{quantize!r}); try quantize='none'."
        )
    if quantize == "none" and difference > FLOAT_TOLERANCE:
        raise ExportError(
            f"The {what}: {found.values} differ from the Keras model's by "
            f"{difference:.3g}; at most {FLOAT_TOLERANCE} is rounding. A "
            "layer behaves otherwise on TensorFlow: compare the backends."
        )
