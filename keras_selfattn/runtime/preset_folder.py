"""A preset folder on disk: its `preset.json` and the sha256 of its files.

Standard library only, so that a device can check what it runs.
"""

import hashlib
import json
from pathlib import Path

from keras_selfattn.atomic_file import write_atomically

FORMAT = 1


class PresetError(ValueError):
    """A preset that is unknown, incomplete, damaged or too new to be read."""


def read(folder):
    """Return the checked contents of `folder/preset.json` as a dict.

    Args:
        folder: str or path of the preset folder.

    Raises:
        PresetError: no such folder or file, not JSON, keys missing, or written
            in a newer format than this version reads.
    """
    path = Path(folder) / "preset.json"
    if not path.is_file():
        raise PresetError(
            f"{folder} is not a preset folder: it holds no preset.json. A "
            "preset folder is what task.save_preset(folder) writes."
        )
    return read_json(path, required=("name", "task", "config", "files"))


def read_json(path, required=()):
    """Read a versioned JSON object, or say what is wrong with it.

    Args:
        path: `pathlib.Path` of a JSON file with an integer "format" key.
        required: keys that must be there besides "format".

    Raises:
        PresetError: not a JSON object, keys missing, or a newer format.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise PresetError(f"{path} is not valid JSON: {error}.") from None
    found = value.get("format") if isinstance(value, dict) else None
    if not isinstance(found, int) or isinstance(found, bool):
        raise PresetError(
            f'{path} has no integer "format": it was not written by '
            "keras_selfattn."
        )
    if found > FORMAT:
        raise PresetError(
            f"{path} is written in format {found}; this version reads up to "
            f"format {FORMAT}. Upgrade: pip install -U keras-selfattn."
        )
    missing = [key for key in required if key not in value]
    if missing:
        raise PresetError(f"{path} lacks {', '.join(map(repr, missing))}.")
    return value


def write_json(path, value):
    """Write JSON beside `path` and rename: never a half-written file."""
    text = json.dumps(value, indent=2, ensure_ascii=False) + "\n"
    write_atomically(path, text)


def sha256(path):
    """Return the sha256 of a file as a hexadecimal string."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder, files=None):
    """Compare files of a preset folder with the sha256 kept in preset.json.

    Args:
        folder: str or path of the preset folder.
        files: names to check; all that preset.json lists when None.

    Returns:
        dict: name to path of the files checked.

    Raises:
        PresetError: a file is not listed, is missing, or differs; names the
            file, what was expected and what was found.
    """
    folder = Path(folder)
    listed = read(folder)["files"]
    checked = {}
    for name in listed if files is None else files:
        path = folder / name
        if name not in listed:
            raise PresetError(
                f"{folder / 'preset.json'} lists no file {name!r}; it lists "
                f"{', '.join(sorted(listed)) or 'none'}."
            )
        if not path.is_file():
            raise PresetError(
                f"{path} is missing, though preset.json lists it. Fetch the "
                "preset again."
            )
        expected, found = listed[name].get("sha256"), sha256(path)
        if found != expected:
            raise PresetError(
                f"{path} is damaged or was changed: sha256 expected "
                f"{expected}, found {found} ({path.stat().st_size} bytes, "
                f"{listed[name].get('bytes')} expected). Fetch the preset "
                "again."
            )
        checked[name] = path
    return checked


def needs_others(contents):
    """Whether a preset's weights, or what they stand beside, are others'.

    Args:
        contents: dict, what `read` gives.
    """
    return bool(contents.keys() & {"source", "base"})


def model_file(folder, name):
    """Return the path of a preset's file, checked where it is sealed.

    A folder that `task.save_preset` has just written lists no files yet: it is
    taken as it is. `keras_selfattn.zoo.seal` lists them.

    Args:
        folder: str or path of the preset folder.
        name: name of the file in it.

    Raises:
        PresetError: the file is missing or differs from what is listed.
    """
    path = Path(folder) / name
    contents = read(folder)
    if needs_others(contents) and not path.is_file():
        raise PresetError(
            f"{contents['name']} comes without a {name}: its weights are "
            "others'. Make the file once (keras-selfattn export "
            f"{contents['name']} FILE.tflite) and use that; as a task, "
            f"zoo.load({contents['name']!r}) gives it."
        )
    if contents["files"]:
        verify(folder, [name])
    elif not path.is_file():
        raise PresetError(f"{path} is missing.")
    return path
