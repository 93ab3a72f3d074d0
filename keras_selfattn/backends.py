"""Which Keras backend to run on, decided before Keras is imported."""

import importlib.util
import json
import os
import sys
from pathlib import Path

BACKENDS = ("torch", "jax", "tensorflow")


def choose_backend():
    """Choose the Keras backend before Keras is imported; return its name.

    In this order: the one Keras already runs on; KERAS_BACKEND; torch or jax if
    Keras's own keras.json names it and it is installed; the first installed of
    torch, jax, tensorflow. What is chosen is put into KERAS_BACKEND.

    "tensorflow" in keras.json says nothing: Keras writes it there by itself.

    Raises:
        ImportError: Keras or every backend is missing; names what to install.
    """
    if "keras" in sys.modules:
        return sys.modules["keras"].backend.backend()
    installed = [name for name in BACKENDS if _is_installed(name)]
    if not _is_installed("keras") or not installed:
        missing = "no backend" if _is_installed("keras") else "Keras is not"
        raise ImportError(
            f"{missing} installed. Install one of the extras: pip install "
            "'keras-selfattn[torch]', 'keras-selfattn[jax]' or "
            "'keras-selfattn[tensorflow]'. Transcribing alone needs none: "
            "use keras_selfattn.runtime.Transcriber."
        )
    chosen = os.environ.get("KERAS_BACKEND")
    if chosen:
        if chosen in BACKENDS and chosen not in installed:
            raise ImportError(
                f"KERAS_BACKEND is {chosen}, which is not installed. Install "
                f"it: pip install 'keras-selfattn[{chosen}]'; or use one that "
                f"is: {', '.join(installed)}."
            )
        return chosen
    chosen = _configured_backend()
    if chosen == "tensorflow" or chosen not in installed:
        chosen = installed[0]
    os.environ["KERAS_BACKEND"] = chosen
    return chosen


def _configured_backend():
    home = os.environ.get("KERAS_HOME") or Path.home() / ".keras"
    try:
        config = json.loads((Path(home) / "keras.json").read_text())
        return config.get("backend")
    except (OSError, ValueError, AttributeError):
        return None


def _is_installed(module):
    return importlib.util.find_spec(module) is not None
