"""Files of presets that ship none: exported once, kept in the user's cache."""

import hashlib
import importlib.util
import json

from keras_selfattn.convert.external_preset import cache_folder


def exported_file(folder, load, making=None):
    """The int8 file of a preset of others' weights, made where it is not.

    Args:
        folder: `pathlib.Path` of the preset's folder.
        load: function of the folder that gives its task (`zoo.load`).
        making: function of the preset's name, called before it is made; or
            None.

    Returns:
        `pathlib.Path` of a .tflite file, another for another preset.json.

    Raises:
        ValueError: as `load` and `export` do.
        ImportError: it has to be made, without what that needs.
    """
    contents = (folder / "preset.json").read_bytes()
    made = hashlib.sha256(contents).hexdigest()[:12]
    name = json.loads(contents)["name"]
    path = cache_folder() / f"{name}-{made}" / "model.tflite"
    if not path.is_file():
        if importlib.util.find_spec("tensorflow") is None:
            raise ImportError(
                f"{name} comes without a file, and to make it from others' "
                "weights takes Keras and TensorFlow: pip install "
                "'keras-selfattn[tensorflow]'. Or give one that was made "
                f"elsewhere: keras-selfattn export {name} FILE.tflite"
            )
        if making is not None:
            making(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        load(folder).export(path, quantize="dynamic")
    return path
