"""An exported file that is open and can be run: shared by all runtimes."""

from pathlib import Path

from keras_selfattn.runtime import metadata, preset_folder

FORMAT = 1
MODEL_FILE = "model.tflite"


class ModelError(ValueError):
    """A .tflite file that this runtime cannot run; the message says why."""


def model_path(source):
    """Return the path of the file that `source` means.

    Args:
        source: str or path of a .tflite file, or of a preset folder (its
            `model.tflite` is checked against its sha256).

    Raises:
        ModelError: there is no such file.
        PresetError: the folder is not a preset, or its file was changed.
    """
    path = Path(source)
    if path.is_dir():
        return preset_folder.model_file(path, MODEL_FILE)
    if not path.is_file():
        raise ModelError(
            f"{path} does not exist; expected a .tflite file or a preset "
            "folder."
        )
    return path


def read_metadata(path, required, what):
    """Return a file's metadata as a dict.

    Args:
        path: path of the file.
        required: keys that must be there.
        what: str, what a file with these keys is ("speech recogniser").

    Raises:
        ModelError: no .tflite file, no metadata, a newer format, or the keys
            are missing: it is another task's file.
    """
    try:
        found = metadata.read(path)
    except ValueError as error:
        raise ModelError(_sentence(path, error)) from None
    if found.get("format", 0) > FORMAT:
        raise ModelError(
            f"{path} is written in format {found['format']}; this version "
            f"reads up to format {FORMAT}. Upgrade: pip install -U "
            "keras-selfattn."
        )
    missing = [key for key in required if key not in found]
    if missing:
        raise ModelError(
            f"{path} is no {what}: its metadata lacks {', '.join(missing)}."
        )
    return found


def build_tokenizer(path, config, name="tokenizer"):
    """The tokenizer that a file's metadata describes.

    Args:
        path: path of the file, for the message.
        config: dict, as the metadata has it.
        name: str, its name there.

    Raises:
        ModelError: it is none of this version.
    """
    from keras_selfattn.preprocessing.tokenizers import tokenizer_from_config

    try:
        return tokenizer_from_config(config)
    except (TypeError, ValueError) as error:
        raise ModelError(
            f"{path}: the {name} in its metadata cannot be built "
            f"({error}); upgrade: pip install -U keras-selfattn."
        ) from None


class ModelFile:
    """Runs the signature of one file, an example at a time.

    Args:
        path: path of the file.
        signature: str, name of the signature.
        inputs, outputs: names that it must take and give; None for any.
        num_threads: int, threads the interpreter may use.

    Raises:
        ModelError: it cannot be opened, or takes or gives something else.
    """

    def __init__(self, path, signature, inputs, outputs, num_threads=1):
        from ai_edge_litert.interpreter import Interpreter

        if type(num_threads) is not int or num_threads < 1:
            raise ValueError(
                f"num_threads is {num_threads!r}; expected an integer >= 1."
            )
        self.path = path
        try:
            interpreter = Interpreter(str(path), num_threads=num_threads)
            self._runner = interpreter.get_signature_runner(signature)
        except (ValueError, RuntimeError) as error:
            raise ModelError(_sentence(path, error)) from None
        found = sorted(self._runner.get_input_details())
        given = sorted(self._runner.get_output_details())
        expected = sorted(inputs), given if outputs is None else sorted(outputs)
        if (found, given) != expected:
            raise ModelError(
                f"{path} takes {found} and gives {given}; expected "
                f"{expected[0]} and {expected[1]}."
            )

    def run(self, **example):
        """Return the outputs for one example, a dict of arrays.

        Args:
            **example: arrays by the names of the inputs, without batch axis;
                so are the outputs.

        Raises:
            ModelError: the interpreter cannot run it.
        """
        batch = {name: value[None] for name, value in example.items()}
        outputs = self.run_rows(**batch)
        return {name: value[0] for name, value in outputs.items()}

    def run_rows(self, **arrays):
        """Return the outputs for arrays as the signature has them.

        Raises:
            ModelError: the interpreter cannot run it.
        """
        # The interpreter allocates anew only when a length has changed.
        try:
            return self._runner(**arrays)
        except (RuntimeError, ValueError) as error:
            given = ", ".join(
                f"{value.shape[1]} {name}"
                for name, value in arrays.items()
                if value.ndim > 1
            )
            raise ModelError(
                f"{_sentence(self.path, error)} It was given {given}. See "
                f"what is in it: keras-selfattn lint {self.path}"
            ) from None


def _sentence(path, error):
    message = " ".join(str(error).split()).rstrip(".")
    head = "" if str(path) in message else f"{path} cannot be run: "
    return f"{head}{message}."
