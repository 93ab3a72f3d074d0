"""Presets whose weights others give away: found, held to a sum, kept.

Such a preset's `preset.json` has no files, but a "source": an installed
package, a repository of the hub, and the sha256 of what must come out of
either. What was made of it is kept in a folder of the user's cache.
"""

import hashlib
import importlib.util
import json
import os
from pathlib import Path

import numpy as np

from keras_selfattn.convert.huggingface import load_hf

CACHE_VARIABLE = "KERAS_SELFATTN_CACHE"


def load_external(name, source):
    """The task of a preset whose weights are not in the zoo.

    Args:
        name: str, the preset's.
        source: dict of "package" (dict of its "name" for pip, the "module" and
            the "folder" in it), "hub" (str, `owner/name`), "extra" (str, ours
            that installs the package; without, it is installed alone), and
            "sha256" (dict, see `sums`).

    Returns:
        Task.

    Raises:
        ValueError: neither source is at hand, with what to install; or what
            it holds is not what the preset was made of.
    """
    from keras_selfattn.tasks.task import Task

    pins = source["sha256"]
    kept = cache_folder() / f"{name}-{pins['weights'][:12]}"
    if (kept / "preset.json").is_file():
        try:
            task = Task.from_preset_folder(kept)
            if sums(task) == pins:
                return task
        except (ValueError, OSError, KeyError, TypeError):
            pass  # damaged: it is only a copy, and is made anew
    task = load_hf(_found(name, source))
    if (made := sums(task)) != pins:
        wrong = [key for key in pins if made.get(key) != pins[key]]
        raise ValueError(
            f"The {' and '.join(wrong)} found for {name} are not those that "
            f"it was made of: sha256 expected {pins}, found {made}. Install "
            f"{source['package']['name']} anew."
        )
    try:
        task.save_preset(kept, name)
    except OSError:
        pass  # nowhere to keep it: the next time it is made again
    return task


def cache_folder():
    """Where made presets are kept: KERAS_SELFATTN_CACHE, or `~/.cache`."""
    named = os.environ.get(CACHE_VARIABLE)
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(home) / "keras_selfattn"


def sums(task):
    """What a preset is held to: sha256 of its weights and its tokenizer.

    The weights count as float16, by their paths in order, so that they have
    one sum whatever file they came in.

    Args:
        task: Task with a `tokenizer`.

    Returns:
        dict of "weights" and "tokenizer".
    """
    from keras import ops

    weights = hashlib.sha256()
    for variable in sorted(task.weights, key=lambda v: v.path):
        array = ops.convert_to_numpy(variable.value).astype("<f2")
        weights.update(f"{variable.path} {array.shape}\n".encode())
        weights.update(np.ascontiguousarray(array).tobytes())
    config = task.tokenizer.get_config()
    pieces = json.dumps([config["vocabulary"], config["split"]], sort_keys=True)
    return {
        "weights": weights.hexdigest(),
        "tokenizer": hashlib.sha256(pieces.encode()).hexdigest(),
    }


def _found(name, source):
    """The folder of the installed package, or of the hub's repository."""
    package = source["package"]
    spec = importlib.util.find_spec(package["module"])
    if spec is not None:
        home = Path(spec.submodule_search_locations[0])
        return home / package["folder"]
    from keras_selfattn.convert.hub import PREFIX, hub_folder

    try:
        return hub_folder(PREFIX + source["hub"])
    except (ValueError, ImportError) as error:
        install = f"pip install --no-deps {package['name']}"
        if extra := source.get("extra"):
            install = (
                f"pip install 'keras-selfattn[{extra}]' (or pip install "
                f"{package['name']})"
            )
        raise ValueError(
            f"The weights of {name} do not come with keras_selfattn, and "
            "neither source is at hand. Install the package that has them: "
            f"{install}. From the hub: {error}"
        ) from error
