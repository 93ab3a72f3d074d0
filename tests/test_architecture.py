"""The rules of the house that a machine can hold (see CONTRIBUTING.md).

Who may import whom, read from the source by AST; one test file per module;
no file too long; no drawer for odds and ends. `test_public_names.py` holds the
names that users rely on, `test_import.py` what an import may load.
"""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "keras_selfattn"
MODULES = sorted(PACKAGE.rglob("*.py"))
SOURCES = sorted(
    path
    for folder in ("keras_selfattn", "train", "tflite", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
)
BACKENDS = {"tensorflow", "torch", "jax", "jaxlib", "tf_keras"}

# Room -> rooms of this package that its files may import, besides itself.
MAY_IMPORT = {
    "layers": set(),
    "preprocessing": set(),
    "losses": set(),
    "metrics": set(),
    "decoding": set(),
    "data": {"preprocessing", "atomic_file"},
    "models": {"layers"},
    "training": {"atomic_file", "data", "losses", "weight_copies"},
    "tasks": {
        "models",
        "layers",
        "preprocessing",
        "losses",
        "metrics",
        "decoding",
        "export",
        "plots",
        "zoo",
        "atomic_file",
        "convert",
        "weight_copies",
    },
    "convert": {
        "models",
        "layers",
        "preprocessing",
        "tasks",
        "training",
        "atomic_file",
        "weight_copies",
    },
    "export": {
        "tasks",
        "runtime",
        "preprocessing",
        "decoding",
        "zoo",
        "atomic_file",
    },
    "runtime": {"preprocessing", "decoding", "atomic_file"},
    "plots": {"atomic_file"},
    "atomic_file": set(),
    "backends": set(),
    "measuring": set(),
    "progress": set(),
    "weight_copies": set(),
    "zoo": {"tasks", "runtime", "backends", "convert"},
    "cli": {"commands"},
    "commands": {
        "zoo",
        "runtime",
        "export",
        "preprocessing",
        "progress",
        "serve",
        "atomic_file",
    },
    "serve": {"zoo", "runtime", "preprocessing"},
    "__init__": set(),
}
# Rooms whose files never import Keras: they run on a device or before it.
WITHOUT_KERAS = {
    "preprocessing",
    "runtime",
    "atomic_file",
    "cli",
    "commands",
    "serve",
    "__init__",
}
# A sibling may be imported here; elsewhere shared parts move down a room.
WITHOUT_SIBLINGS = {"models"}
# Files that may name a backend, and then only inside functions.
MAY_NAME_A_BACKEND = {
    "data/feeding.py",
    "data/tensorflow_io_audio.py",
    "layers/fused_attention.py",
    "losses/ctc.py",
    "training/profiling.py",
    "training/checkpoint.py",
    "training/distribution_jax.py",
    "training/distribution_tensorflow.py",
    "training/distribution_torch.py",
    "training/loss_gradients.py",
}
RUNTIME_NEEDS = {
    "ai_edge_litert",
    "flatbuffers",
    "keras_selfattn",
    "numpy",
    "soundfile",
    "soxr",
}


def room(path: Path) -> str:
    """Returns the room of a module: its folder, or its name at the top."""
    inside = path.relative_to(PACKAGE)
    return inside.parts[0] if len(inside.parts) > 1 else inside.stem


def label(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path, top_level_only: bool = False) -> list[str]:
    """Returns the dotted names a file imports, relative ones made absolute.

    Both `from a import b` and `from a.b import c` give `a.b`, so that a
    module imported through its package is seen. What stands under `if
    TYPE_CHECKING:` is for readers, is never run, and is left out.
    """
    inside = path.relative_to(ROOT).with_suffix("").parts
    found = []

    def visit(node):
        if isinstance(node, ast.Import):
            found.extend(name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join([*inside[: -node.level], *base.split(".")])
                base = base.rstrip(".")
            found.extend(f"{base}.{name.name}" for name in node.names)
        elif top_level_only and isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
        ):
            return
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(
            node.test
        ):
            return
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf8")))
    return found


def own_imports(path: Path) -> list[str]:
    """Returns the parts of this package a file imports: `layers.masks`."""
    prefix = "keras_selfattn."
    return [
        name.removeprefix(prefix)
        for name in imports(path)
        if name.startswith(prefix)
    ]


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_imports_only_the_rooms_it_may(path):
    here = room(path)
    assert here in MAY_IMPORT, (
        f"{label(path)} is a new room: say in MAY_IMPORT what it may import"
    )
    allowed = MAY_IMPORT[here] | {here}
    # A name taken from the package itself (`from keras_selfattn import
    # __version__`) is not a room.
    wrong = [
        name
        for name in own_imports(path)
        if name.split(".")[0] not in allowed | {"__version__"}
    ]
    assert not wrong, f"{label(path)} ({here}) must not import {wrong}"


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_siblings_of_a_model_room_stay_apart(path):
    if room(path) in WITHOUT_SIBLINGS and path.name != "__init__.py":
        wrong = [
            name
            for name in own_imports(path)
            if name.split(".")[0] == room(path)
        ]
        assert not wrong, (
            f"{label(path)} imports {wrong}: move the shared part to layers/"
        )


@pytest.mark.parametrize("path", MODULES, ids=label)
def test_backends_are_named_in_few_places_and_inside_functions(path):
    named = {name.split(".")[0] for name in imports(path)} & BACKENDS
    at_import = {
        name.split(".")[0] for name in imports(path, top_level_only=True)
    } & BACKENDS
    inside = path.relative_to(PACKAGE).as_posix()
    if room(path) == "export" or inside in MAY_NAME_A_BACKEND:
        assert not at_import, (
            f"{label(path)} imports {at_import} when it is imported: move it "
            "inside the function that needs it"
        )
    else:
        assert not named, (
            f"{label(path)} names {named}: write it in keras.ops, or give "
            "the kernel a file of its own and list it here"
        )


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if room(path) in WITHOUT_KERAS],
    ids=label,
)
def test_what_a_device_runs_imports_no_keras(path):
    named = {name.split(".")[0] for name in imports(path)}
    assert not named & {"keras", "safetensors"}, label(path)


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if room(path) == "runtime"],
    ids=label,
)
def test_the_runtime_needs_numpy_and_litert_only(path):
    named = {name.split(".")[0] for name in imports(path)}
    extra = named - RUNTIME_NEEDS - set(sys.stdlib_module_names)
    assert not extra, f"{label(path)} needs {extra}"


def test_decoding_for_ctc_is_numpy_only():
    named = {
        name.split(".")[0] for name in imports(PACKAGE / "decoding/ctc.py")
    }
    assert named <= {"numpy", *sys.stdlib_module_names}


def test_scripts_use_the_package_from_outside():
    """`train/` and `benchmarks/` import the package, never one another."""
    for path in SOURCES:
        if path.relative_to(ROOT).parts[0] in ("train", "tflite", "benchmarks"):
            wrong = [
                name
                for name in imports(path)
                if name.split(".")[0]
                in {"tests", "train", "tflite", "benchmarks"}
            ]
            assert not wrong, f"{label(path)} imports {wrong}"


@pytest.mark.parametrize(
    "path",
    [path for path in MODULES if path.name != "__init__.py"],
    ids=label,
)
def test_every_module_has_its_test_file(path):
    inside = path.relative_to(PACKAGE)
    mirror = ROOT / "tests" / inside.parent / f"test_{inside.name}"
    assert mirror.is_file(), f"{label(path)} wants {label(mirror)}"
    assert "def test_" in mirror.read_text(encoding="utf8"), label(mirror)


@pytest.mark.parametrize("path", SOURCES, ids=label)
def test_no_file_is_too_long(path):
    lines = len(path.read_text(encoding="utf8").splitlines())
    assert lines <= 500, f"{label(path)} has {lines} lines: split it"


def test_no_drawer_for_odds_and_ends():
    drawers = {"utils.py", "common.py", "helpers.py", "util.py", "misc.py"}
    assert not [label(path) for path in SOURCES if path.name in drawers]


@pytest.mark.parametrize("folder", ["zoo", "train", "tflite", "benchmarks"])
def test_data_and_script_folders_are_not_packages(folder):
    assert not list((ROOT / folder).rglob("__init__.py"))
