"""A task as a TensorFlow SavedModel, from any backend.

For servers. The signature of the task, and its parts: `transcribe` of a speech
recogniser takes `samples`, float32 `(B, L)`, and `num_samples`, int32 `(B,)`;
`classify` of a text classifier takes `token_ids`, int32 `(B, T)`, padded with
0; `translate` of a translator takes `source_ids`, int32 `(B, S)`, likewise.
What it gives is as in a .tflite file; see `export.litert`.

With `text=True` there are signatures for clients that have texts and sounds,
not ids; whoever loads them imports `tensorflow_text`, and nothing of ours:

- `classify_text`: `texts`, string `(B,)`, in; `labels`, string `(B,)`,
  `scores`, float32 `(B, C)`, and `classes`, string `(C,)`, out.
- `embed_text`: `texts` in; `embeddings`, float32 `(B, D)`, out.
- `translate_text`: `texts` in; `texts`, string `(B,)`, and `truncated`, bool
  `(B,)`, out. `translate_text_beam` takes `alpha`, float32 `()`, too.
- `transcribe_text`: `samples` and `num_samples` in; `texts` out; and
  `transcribe_text_of_wav`: `wav`, string `(B,)`, contents of 16-bit WAV files
  of the task's rate.
"""

import shutil
import tempfile
from pathlib import Path

from keras_selfattn.atomic_file import written_beside
from keras_selfattn.export.beside_keras import agreement
from keras_selfattn.export.child import (
    read_examples,
    require_tensorflow,
    require_tensorflow_text,
    run_worker,
    show,
)
from keras_selfattn.export.worker import OUTPUTS_FILE, SAVED_MODEL_FOLDER


def export_saved_model(task, path, progress=None, text=False):
    """Write a task as a SavedModel and check it.

    Args:
        task: a Task, on any backend.
        path: str or path of the folder to make; it must not exist yet, or be
            empty.
        progress: called with lines of text; default: print them on stderr.
        text: bool, with the signatures that take and give text. Ids are held
            against the tokenizer's on texts of many kinds. HTML is stripped by
            patterns: odd mark-up may come out otherwise than in Python.

    Returns:
        float, the largest difference between its log-probabilities and those
        of the Keras model; None where it gives none.

    Raises:
        ValueError: the folder is there already and holds something.
        ExportError (a ValueError): the export or its check failed; nothing
            was written.
        ImportError: TensorFlow, or with `text` tensorflow-text, is not
            installed.

    Example:
        >>> export_saved_model(task, "asr")
        >>> run = tf.saved_model.load("asr").signatures["transcribe"]
        >>> run(samples=samples, num_samples=lengths)["token_ids"]
    """
    progress = progress or show
    path = Path(path)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(
            f"{path} is there already; give the name of a new folder."
        )
    if not path.absolute().parent.is_dir():
        raise ValueError(
            f"{path} cannot be written: its parent folder does not exist."
        )
    require_tensorflow()
    if text:
        require_tensorflow_text()
    examples = task.export_probes()
    with tempfile.TemporaryDirectory(prefix="keras_selfattn-") as folder:
        folder = Path(folder)
        progress(f"exporting {path.name} as a SavedModel")
        job = {"kind": "saved_model", "text": text}
        run_worker(task, job, folder, examples, progress)
        outputs = read_examples(folder / OUTPUTS_FILE)
        difference, how = agreement(task, examples, outputs, "SavedModel")
        with written_beside(path) as part:
            shutil.copytree(folder / SAVED_MODEL_FOLDER, part)
    progress(f"{path}: written ({how})")
    return difference
