"""The base of every task: a model plus what turns user input into tensors.

A task saves itself as a preset folder and comes back from one; weights are
a safetensors file of float16 tensors keyed by the variables' paths, so that
a renamed, missing, left-over or reshaped tensor is an error and never loads
silently into the wrong place.
"""

import json
from pathlib import Path

import keras
import numpy as np

from keras_selfattn.atomic_file import write_atomically

FORMAT = 1
WEIGHTS_FILE = "model.safetensors"


def to_config(part):
    """A layer or model as a JSON-able dict.

    Ours as `{"class_name", "config"}`, short and readable; any other as Keras
    writes it.
    """
    registered = keras.saving.get_registered_name(type(part))
    if not registered.startswith("keras_selfattn>"):
        return keras.saving.serialize_keras_object(part)
    config = {
        key: value
        for key, value in part.get_config().items()
        if key not in ("name", "trainable", "dtype")
    }
    return {"class_name": type(part).__name__, "config": config}


def from_config(config, **kwargs):
    """Back from `to_config`; `kwargs` (name, dtype) go to the constructor.

    What is not ours keeps its own.
    """
    if "module" in config:
        return keras.saving.deserialize_keras_object(config)
    name = f"keras_selfattn>{config['class_name']}"
    cls = keras.saving.get_registered_object(name)
    if cls is None:
        raise ValueError(
            f"The config names class {config['class_name']!r}, which this "
            "version of keras_selfattn does not have; use a newer one."
        )
    return cls.from_config({**config["config"], **kwargs})


def save_weight_file(model, path, dtype="float16"):
    """Saves `model.weights` keyed by path, in `dtype`."""
    from safetensors.numpy import save

    tensors = {}
    for variable in model.weights:
        if variable.path in tensors:
            raise ValueError(
                f"Two variables share the path {variable.path!r}; give the "
                "layers explicit names."
            )
        value = keras.ops.convert_to_numpy(variable.value)
        with np.errstate(over="ignore"):
            value = value.astype(dtype)
        if not np.isfinite(value).all():
            raise ValueError(
                f"{variable.path} holds values that are not finite in "
                f"{dtype}; not saved."
            )
        # Not ascontiguousarray, which gives a scalar an axis.
        tensors[variable.path] = np.array(value, order="C")
    write_atomically(path, save(tensors, metadata={"format": "keras_selfattn"}))


def load_weight_file(model, path):
    """Loads what `save_weight_file` wrote; any mismatch is an error."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} is not a readable safetensors file ({error}); fetch or "
            "save it again."
        ) from error
    wanted = {v.path: v for v in model.weights}
    problems = [f"missing {p}" for p in sorted(set(wanted) - set(tensors))]
    problems += [f"left over {p}" for p in sorted(set(tensors) - set(wanted))]
    for p in sorted(set(wanted) & set(tensors)):
        if tuple(wanted[p].shape) != tensors[p].shape:
            problems.append(
                f"{p} has shape {tensors[p].shape} in the file, "
                f"{tuple(wanted[p].shape)} in the model"
            )
    if problems:
        raise ValueError(
            f"{path} does not fit this model ({len(problems)} tensors): "
            + "; ".join(problems[:8])
            + (" ..." if len(problems) > 8 else "")
        )
    for p, variable in wanted.items():
        variable.assign(tensors[p].astype("float32"))


@keras.saving.register_keras_serializable(package="keras_selfattn")
class Task(keras.Model):
    """Abstract: a Keras model that also saves, loads and exports itself.

    A subclass defines `task_config()`, the JSON-able arguments of its
    constructor, what its users call (`transcribe`, ...), and, to be exported,
    what `export.signature` lists.
    """

    def task_config(self):
        """The constructor's arguments as JSON-able values."""
        raise NotImplementedError(  # abstract
            f"{type(self).__name__} does not define task_config()."
        )

    def get_config(self):
        return {"name": self.name, **self.task_config()}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        return cls(**config)

    def export_parts(self, rows=None):
        """Signatures beside `export_signature`: none, unless overridden.

        Args:
            rows: int, rows of a batch where the file fixes them, or None.

        Returns:
            dict of name to (function of tensors by name that gives a dict of
            tensors, dict of its inputs' names to (shape, dtype)).
        """
        return {}

    def export_part_checks(self):
        """How parts are held against this model: none, unless overridden.

        Returns:
            dict of a name ("stream") to `export.signature.PartCheck`.
        """
        return {}

    def export_part_examples(self, examples):
        """What parts see of examples, to calibrate int8: nothing.

        Args:
            examples: list of dicts of arrays, as `calibration_inputs` gives.

        Returns:
            list of (a part's name, dict of arrays by its inputs' names).
        """
        return []

    def text_parts(self):
        """What a SavedModel can be given and gives as text: nothing.

        Returns:
            list of dict, each with the "name" of a signature, the name "of"
            the one it stands around, and its "kind":
            "classify": with "tokenizer" (TextTokenizer) and "labels".
            "write": with "tokenizer", "end_id" and "most_tokens" of sources,
            "vocabulary" of what is written, and "more_inputs" that go on to
            the signature, by name, as in `export_parts`.
            "hear": with "vocabulary" and "sampling_rate_hz".
        """
        return []

    def export(self, path, quantize="none", **kwargs):
        """Writes ONE `.tflite` file of built-in operators, no Flex.

        Args:
            path: file to write.
            quantize: "none", "float16", "dynamic" or "int8".
            **kwargs: see `keras_selfattn.export.litert.export_litert`.

        Returns:
            Report of the file's check against this model.
        """
        from keras_selfattn.export.litert import export_litert

        return export_litert(self, path, quantize=quantize, **kwargs)

    def save_preset(self, folder, name=None, **facts):
        """Writes `preset.json` and the float16 weights into `folder`.

        Args:
            folder: path, made where it is missing.
            name: str, the preset's name; default: the folder's.
            **facts: more JSON-able entries (description, language, license,
                sampling_rate_hz, reference, ...).

        Returns:
            Path of the folder. The sha256 of every file beside it is taken
            by `keras_selfattn.zoo.seal(folder)`.
        """
        folder = Path(folder)
        save_weight_file(self, folder / WEIGHTS_FILE)
        preset = {
            "format": FORMAT,
            "name": name or folder.resolve().name,
            "task": type(self).__name__,
            **facts,
            "config": self.task_config(),
            "files": {},
        }
        text = json.dumps(preset, indent=2, ensure_ascii=False) + "\n"
        write_atomically(folder / "preset.json", text)
        return folder

    def save_hf(self, folder):
        """Writes a checkpoint that `transformers` loads; the way back of hf://.

        Args:
            folder: path, made where it is missing.

        Returns:
            Path of the folder.

        Raises:
            ValueError: a task that `convert.huggingface.save_hf` cannot write.
        """
        from keras_selfattn.convert.huggingface import save_hf

        return save_hf(self, folder)

    @staticmethod
    def from_preset_folder(folder):
        """Builds the task that `folder/preset.json` describes, with weights.

        Files are taken as they are; `keras_selfattn.zoo.load` also checks
        their sha256.
        """
        folder = Path(folder)
        preset = json.loads((folder / "preset.json").read_text("utf-8"))
        name = f"keras_selfattn>{preset['task']}"
        cls = keras.saving.get_registered_object(name)
        if cls is None:
            raise ValueError(
                f"{folder} holds a {preset['task']!r}, a task this version of "
                "keras_selfattn does not have; use a newer one."
            )
        task = cls(**preset["config"])
        load_weight_file(task, folder / WEIGHTS_FILE)
        return task
