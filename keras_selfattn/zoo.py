"""The presets that ship with the package: find, check and load them.

Listing, reading cards and checking files need no Keras; `load` does.
"""

import difflib
import os
from pathlib import Path

from keras_selfattn.backends import choose_backend
from keras_selfattn.runtime import preset_folder
from keras_selfattn.runtime.preset_check import check_reference
from keras_selfattn.runtime.preset_folder import PresetError, verify

__all__ = [
    "PresetError",
    "card",
    "check",
    "describe",
    "device_file",
    "index",
    "list_presets",
    "load",
    "resolve",
    "root",
    "seal",
    "verify",
]


def root():
    """Return the folder that holds index.json and the presets.

    It is `_zoo` beside this module where the package was installed from a
    wheel, and `zoo` beside the package in a checkout.
    """
    beside = Path(__file__).parent / "_zoo"
    return beside if beside.is_dir() else Path(__file__).parents[1] / "zoo"


def index():
    """Return index.json as a dict with "aliases" and "presets".

    Raises:
        PresetError: there is no index, or it cannot be read.
    """
    path = root() / "index.json"
    if not path.is_file():
        raise PresetError(
            f"{path} is missing: this installation carries no presets. "
            "Install the package again, or give a preset folder."
        )
    return preset_folder.read_json(path, required=("aliases", "presets"))


def list_presets():
    """Return the names of all presets, sorted."""
    return sorted(index()["presets"])


def resolve(name_or_folder):
    """Return the folder of a preset.

    Args:
        name_or_folder: str, an alias ("asr") or a preset name; or the str or
            path of a preset folder. A name wins over a folder that is called
            the same; write "./asr" or a `pathlib.Path` for the folder.

    Returns:
        `pathlib.Path` of a folder with a preset.json.

    Raises:
        PresetError: unknown (the nearest names are listed), its folder is
            missing, or its preset.json was changed.
    """
    if not isinstance(name_or_folder, (str, Path)):
        raise PresetError(
            f"a preset is named by a str or a path; received "
            f"{name_or_folder!r}."
        )
    if _is_folder(name_or_folder):
        preset_folder.read(name_or_folder)
        return Path(name_or_folder)
    contents = index()
    name = contents["aliases"].get(name_or_folder, name_or_folder)
    if name not in contents["presets"]:
        raise PresetError(_unknown(name_or_folder, contents))
    entry = contents["presets"][name]
    folder = root() / entry["folder"]
    if not (folder / "preset.json").is_file():
        raise PresetError(
            f"preset {name!r} is in the index, but {folder} holds no "
            "preset.json. Install the package again."
        )
    found = preset_folder.sha256(folder / "preset.json")
    if found != entry["preset_sha256"]:
        raise PresetError(
            f"{folder / 'preset.json'} is damaged or was changed: sha256 "
            f"expected {entry['preset_sha256']}, found {found}. Install the "
            "package again."
        )
    return folder


def describe(name_or_folder):
    """Return the contents of a preset's preset.json as a dict."""
    return preset_folder.read(resolve(name_or_folder))


def card(name_or_folder):
    """Return the model card of a preset as Markdown text."""
    path = resolve(name_or_folder) / "card.md"
    if not path.is_file():
        raise PresetError(f"{path} is missing: the preset has no card.")
    return path.read_text(encoding="utf-8")


def load(name_or_folder):
    """Load a preset as a task that can be called, trained and exported.

    The sha256 of its weights is checked first. Weights that others give away
    (`asr_whisper_tiny_en`, and what adapters stand beside:
    `text_classification_minilm_en_sst2`) come from the package that has them,
    or from the hub, and are kept; see `convert.external_preset` and
    `convert.adapted_preset`. Where Keras is not imported yet, a backend that
    is installed is chosen (see `keras_selfattn.backends`).

    Other people's checkpoints load as well: see `convert.huggingface.load_hf`.

    Args:
        name_or_folder: alias, name or folder of a preset, see `resolve`; or
            `hf://owner/name`, or the folder of such a checkpoint
            (`config.json` and `model.safetensors`).

    Returns:
        The task (`SpeechRecognizer`, `TextClassifier`), with its weights.

    Raises:
        PresetError: unknown, incomplete, damaged or too new.
        ValueError: a checkpoint that cannot be read; says why.
        ImportError: neither Keras nor a backend is installed.

    Example:
    ```python
    from keras_selfattn import zoo

    task = zoo.load("asr")
    print(task.transcribe("speech.wav"))
    ```
    """
    if _is_checkpoint(name_or_folder):
        choose_backend()
        from keras_selfattn.convert.huggingface import load_hf

        return load_hf(name_or_folder)
    folder = resolve(name_or_folder)
    contents = preset_folder.read(folder)
    if preset_folder.needs_others(contents):
        choose_backend()
        try:
            return _load_of_others(folder, contents)
        except ValueError as error:
            raise PresetError(str(error)) from error
    preset_folder.model_file(folder, "model.safetensors")
    choose_backend()
    from keras_selfattn.tasks.task import Task

    return Task.from_preset_folder(folder)


def device_file(name_or_folder, making=None):
    """Return the path of a preset's .tflite file, checked.

    A preset whose weights are others' comes without one: it is exported as
    `dynamic` (int8) the first time, which needs Keras and the `tensorflow`
    extra, and kept in the user's cache (`KERAS_SELFATTN_CACHE`).

    Args:
        name_or_folder: alias, name or folder of a preset; see `resolve`.
        making: function of the preset's name, called before a file is made;
            or None.

    Returns:
        `pathlib.Path`.

    Raises:
        PresetError: the file is missing or was changed, or the others'
            weights are not at hand.
        ImportError: a file has to be made, without Keras.
    """
    folder = resolve(name_or_folder)
    contents = preset_folder.read(folder)
    if (
        preset_folder.needs_others(contents)
        and not (folder / "model.tflite").is_file()
    ):
        from keras_selfattn.convert.kept_file import exported_file

        return exported_file(folder, load, making)
    return preset_folder.model_file(folder, "model.tflite")


def check(name_or_folder):
    """Run a preset's .tflite on its sample; compare with what is kept.

    All files are checked against their sha256 first. Needs no Keras.

    Args:
        name_or_folder: alias, name or folder of a preset; see `resolve`.

    Returns:
        The `runtime.Transcript`, `runtime.Classification`,
        `runtime.Translation`, `runtime.Generation` or `runtime.Answer` of the
        sample; of an image generator the images, uint8 `(B, H, W, C)`; of a
        masked language model its best `Fill`.

    Raises:
        PresetError: a file was changed, there is no reference, or what comes
            out differs from the reference.
    """
    folder = resolve(name_or_folder)
    verify(folder)
    reference = preset_folder.read(folder).get("reference")
    if not reference:
        raise PresetError(
            f'{folder / "preset.json"} has no "reference" to compare with.'
        )
    return check_reference(folder, reference)


def _load_of_others(folder, contents):
    """A task of others' weights, or of adapters beside them."""
    if "base" in contents:
        from keras_selfattn.convert.adapted_preset import load_adapted

        preset_folder.verify(folder)
        return load_adapted(folder, contents)
    from keras_selfattn.convert.external_preset import load_external

    return load_external(contents["name"], contents["source"])


def seal(folder, aliases=()):
    """List the sha256 of a preset's files in its preset.json.

    Files that are only read by people (Markdown, metrics.json) are left out. A
    folder inside `root()` is entered into index.json too. Both files are
    replaced whole or not at all.

    Args:
        folder: str or path of a preset folder.
        aliases: names under which the index shall also know the preset.

    Returns:
        dict: what preset.json now holds.

    Raises:
        PresetError: not a preset folder, or its name differs from the folder's
            and it is to be entered into the index.
    """
    folder = Path(folder).resolve()
    contents = preset_folder.read(folder)
    name, home = contents["name"], root().resolve()
    in_zoo = folder.is_relative_to(home)
    if in_zoo and name != folder.name:
        raise PresetError(
            f"{folder / 'preset.json'} names the preset {name!r}; in the zoo "
            "a folder has the name of its preset."
        )
    contents["files"] = {
        path.relative_to(folder).as_posix(): {
            "sha256": preset_folder.sha256(path),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not _is_unsealed(path)
    }
    preset_folder.write_json(folder / "preset.json", contents)
    if in_zoo:
        has_index = (home / "index.json").is_file()
        listed = index() if has_index else {"aliases": {}, "presets": {}}
        entry = {
            "folder": folder.relative_to(home).as_posix(),
            "task": contents["task"],
            "preset_sha256": preset_folder.sha256(folder / "preset.json"),
        }
        known = listed["aliases"] | dict.fromkeys(aliases, name)
        presets = listed["presets"] | {name: entry}
        preset_folder.write_json(
            home / "index.json",
            {
                "format": preset_folder.FORMAT,
                "aliases": dict(sorted(known.items())),
                "presets": dict(sorted(presets.items())),
            },
        )
    return contents


def _is_unsealed(path):
    return (
        path.name in ("preset.json", "metrics.json")
        or path.suffix == ".md"
        or path.name.startswith(".")
    )


def _is_checkpoint(source):
    """Whether this is somebody else's checkpoint, and no preset of ours."""
    if isinstance(source, str) and source.startswith("hf://"):
        return True
    if not isinstance(source, (str, Path)) or not _is_folder(source):
        return False
    folder = Path(source)
    is_preset = (folder / "preset.json").is_file()
    return (folder / "config.json").is_file() and not is_preset


def _is_folder(name_or_folder):
    if isinstance(name_or_folder, Path):
        return True
    separators = [os.sep, os.altsep, "/"]
    if any(mark and mark in name_or_folder for mark in separators):
        return True
    # A bare word is a folder only where it is not a name in the index.
    if not (Path(name_or_folder) / "preset.json").is_file():
        return False
    try:
        contents = index()
    except PresetError:
        return True
    names = contents["presets"] | contents["aliases"]
    return name_or_folder not in names


def _unknown(name, contents):
    known = [*contents["aliases"], *contents["presets"]]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    listed = f"Nearest: {', '.join(near)}." if near else ""
    if not near:
        listed = f"Known: {', '.join(sorted(known)) or 'none'}."
    return (
        f"unknown preset {name!r}. {listed} A folder works too: write a path, "
        f"such as ./{name}"
    )
