"""A task as an ONNX file, from any backend, for ONNX Runtime and TensorRT.

The signature of the task alone, with a batch of any size: `transcribe` of a CTC
recogniser, `classify` of a text classifier, `embed` of a masked language model.
Inputs and outputs have the names of the .tflite file; see `export.litert`.
"""

import importlib.util
import tempfile
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically
from keras_selfattn.export.beside_keras import agreement
from keras_selfattn.export.child import (
    read_examples,
    require_tensorflow,
    run_worker,
    show,
)
from keras_selfattn.export.worker import ONNX_FILE, OUTPUTS_FILE


def export_onnx(task, path, progress=None):
    """Write a task as an ONNX file and check it by ONNX Runtime.

    Args:
        task: a Task, on any backend.
        path: str or path of the file; one that is there is replaced.
        progress: called with lines of text; default: print them on stderr.

    Returns:
        float, the largest difference between its log-probabilities and those
        of the Keras model; None where it gives none.

    Raises:
        ValueError: the path is a folder, or in none.
        ExportError (a ValueError): the conversion or its check failed (an
            operator without a counterpart is named); nothing was written.
        ImportError: TensorFlow or the extra `onnx` is not installed.

    Example:
        >>> export_onnx(task, "asr.onnx")
        >>> session = onnxruntime.InferenceSession("asr.onnx")
        >>> session.run(["token_ids"], {"samples": x, "num_samples": lengths})
    """
    progress = progress or show
    path = Path(path)
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise ValueError(
            f"{path} cannot be written: expected a file name in a folder "
            "that exists."
        )
    require_tensorflow()
    require_onnx()
    examples = task.export_probes()
    with tempfile.TemporaryDirectory(prefix="keras_selfattn-") as folder:
        folder = Path(folder)
        progress(f"exporting {path.name} as ONNX")
        run_worker(task, {"kind": "onnx"}, folder, examples, progress)
        outputs = read_examples(folder / OUTPUTS_FILE)
        difference, how = agreement(task, examples, outputs, "ONNX file")
        write_atomically(path, (folder / ONNX_FILE).read_bytes())
    progress(f"{path}: written ({how})")
    return difference


def require_onnx():
    """Raise ImportError where a package that writes or runs ONNX is missing."""
    names = ("onnx", "onnxruntime", "tf2onnx")
    missing = [n for n in names if importlib.util.find_spec(n) is None]
    if missing:
        raise ImportError(
            f"ONNX files are made with {' and '.join(missing)}, not installed "
            "here: pip install 'keras-selfattn[onnx]'."
        )
