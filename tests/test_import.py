"""Importing the package is instant and loads nothing but itself."""

import json
import subprocess
import sys

import pytest

import keras_selfattn

HEAVY = {
    "ai_edge_litert",
    "jax",
    "keras",
    "numpy",
    "prometheus_client",
    "rich",
    "safetensors",
    "soundfile",
    "soxr",
    "starlette",
    "tensorflow",
    "torch",
    "typer",
    "uvicorn",
}


def loaded_after(statement):
    """Return the top-level modules that are there after `statement`."""
    code = (
        f"import json, sys\n{statement}\n"
        "print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    )
    return set(json.loads(child.stdout.splitlines()[-1]))


@pytest.mark.parametrize(
    "statement",
    [
        "import keras_selfattn",
        "import keras_selfattn; dir(keras_selfattn)",
        "from keras_selfattn import zoo; zoo.root()",
        "import keras_selfattn.runtime",
        "import keras_selfattn.runtime.preset_folder",
    ],
)
def test_the_package_loads_nothing_heavy(statement):
    assert not loaded_after(statement) & HEAVY


def test_the_command_loads_typer_alone():
    assert loaded_after("import keras_selfattn.cli") & HEAVY == {"typer"}


def test_the_runtime_loads_no_keras():
    found = loaded_after("from keras_selfattn.runtime import Transcriber")
    assert found & HEAVY <= {"ai_edge_litert", "numpy", "soundfile", "soxr"}
    assert "numpy" in found


def test_names_are_found_on_first_use():
    from keras_selfattn.runtime.transcriber import Transcriber

    assert keras_selfattn.Transcriber is Transcriber
    assert keras_selfattn.runtime.Transcriber is Transcriber
    assert keras_selfattn.zoo is sys.modules["keras_selfattn.zoo"]


@pytest.mark.parametrize("module", ["keras_selfattn", "keras_selfattn.runtime"])
def test_an_unknown_name_is_an_attribute_error(module):
    __import__(module)
    with pytest.raises(AttributeError, match="'Transcribe'"):
        _ = sys.modules[module].Transcribe


def test_the_version_has_three_numbers():
    parts = keras_selfattn.__version__.split(".")
    assert len(parts) == 3
    assert all(part.isdigit() for part in parts)


def test_transcribing_needs_nothing_of_the_service():
    statement = """
from keras_selfattn import cli
from tests.command_line import TINY, run
assert run("transcribe", TINY / "sample.wav", "--preset", TINY).exit_code == 0
"""
    found = loaded_after(statement)
    assert not found & {"prometheus_client", "starlette", "uvicorn", "keras"}
