"""What every test may rely on: a backend, few threads, the data folder.

The environment is settled here, before any test module is imported, because
Keras and its backends read it once, at import.
"""

import atexit
import importlib.util
import os
import shutil
import sqlite3  # noqa: F401  before TensorFlow, whose own has no full text
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
# Test files, counted; see `is_elsewhere`.
PLACES = {
    path: place
    for place, path in enumerate(sorted((ROOT / "tests").rglob("test_*.py")))
}

for name, value in {
    "KERAS_BACKEND": "torch",
    "TF_CPP_MIN_LOG_LEVEL": "2",
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "MPLBACKEND": "agg",
}.items():
    os.environ.setdefault(name, value)
if os.environ["KERAS_BACKEND"] == "jax":
    # Compiling is most of what the tests cost there, running nothing.
    os.environ.setdefault(
        "XLA_FLAGS",
        "--xla_backend_optimization_level=0 "
        "--xla_llvm_disable_expensive_passes=true",
    )
    # What is compiled is kept for the run, for the scripts that tests start,
    # too; longer where JAX_COMPILATION_CACHE_DIR names a folder.
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        folder = tempfile.mkdtemp(prefix="compiled-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
    for name in ("COMPILE_TIME_SECS", "ENTRY_SIZE_BYTES"):
        os.environ.setdefault(f"JAX_PERSISTENT_CACHE_MIN_{name}", "0")

# The same examples each time, however slow the machine is at the moment.
settings.register_profile("suite", deadline=None, derandomize=True)
settings.load_profile("suite")

NO_DATA = (
    "needs recorded speech: set KERAS_SELFATTN_DATA to a folder that holds "
    "speech/<corpus>/manifest.tsv"
)


def _data_folder() -> Path | None:
    """Returns the folder named by KERAS_SELFATTN_DATA if it has speech."""
    named = os.environ.get("KERAS_SELFATTN_DATA")
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    return folder if (folder / "speech").is_dir() else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Draws the same numbers each time; skips `data` where there is none."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
    if item.get_closest_marker("data") and _data_folder() is None:
        pytest.skip(NO_DATA)


def pytest_addoption(parser):
    """`--part 2/3`: every third test file, from the second on."""
    parser.addoption("--part", default="1/1", help="such as 2/3, of the files")


def is_elsewhere(path, config):
    """Whether a test file is of another part; see `pytest_addoption`."""
    part, parts = map(int, config.option.part.split("/"))
    return PLACES.get(path, part - 1) % parts != part - 1


def pytest_ignore_collect(collection_path, config):
    """Files of other parts are not even imported, but where they are named."""
    named = [part.partition("::")[0] for part in config.invocation_params.args]
    if collection_path.suffix == ".py" and not any(
        collection_path == Path(name).resolve() for name in map(str, named)
    ):
        return is_elsewhere(collection_path, config) or None


def share_out(config, items):
    """Leaves out what other parts run, of files that were named."""
    others = [item for item in items if is_elsewhere(item.path, config)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = [i for i in items if not is_elsewhere(i.path, config)]


def pytest_collection_modifyitems(config, items):
    """Skips what takes minutes, unless `-m` asks for it.

    The proofs everywhere. Of what is slow, which torch runs in full, JAX and
    TensorFlow run the first of a test's cases, and tests without cases not at
    all: compiling anew for each shape is most of what it costs there.
    """
    share_out(config, items)
    asked = config.option.markexpr
    elsewhere = os.environ["KERAS_BACKEND"] != "torch"
    proof = pytest.mark.skip(reason="takes minutes: python -m pytest -m proof")
    slow = pytest.mark.skip(
        reason="slow, and run on torch; here: python -m pytest -m slow"
    )
    begun = set()
    for item in items:
        if item.get_closest_marker("proof") and "proof" not in asked:
            item.add_marker(proof)
        elif (
            elsewhere
            and "slow" not in asked
            and item.get_closest_marker("slow")
        ):
            test = item.nodeid.partition("[")[0]
            if test in begun or not hasattr(item, "callspec"):
                item.add_marker(slow)
            begun.add(test)


def pytest_report_header(config):
    """Says at the top of a run which backend and which data it uses."""
    return (
        f"keras backend: {os.environ['KERAS_BACKEND']}, "
        f"data: {_data_folder() or 'none'}"
    )


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder named by KERAS_SELFATTN_DATA; skips the test without it."""
    folder = _data_folder()
    if folder is None:
        pytest.skip(NO_DATA)
    return folder


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def load_script():
    """Imports a script of `train/` or `benchmarks/` by its path.

    Those folders are not packages, so that they shadow nothing. A script
    may import its neighbours, as it does where it is run.
    """

    def load(path: str):
        name = "script_" + path.removesuffix(".py").replace("/", "_")
        if name not in sys.modules:
            spec = importlib.util.spec_from_file_location(name, ROOT / path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            sys.path.insert(0, str((ROOT / path).parent))
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[name]
                raise
            finally:
                sys.path.pop(0)
        return sys.modules[name]

    return load


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    """A zoo of four small presets, each with its task's usual alias."""
    from keras_selfattn import zoo

    golden, root = ROOT / "tests" / "golden", tmp_path / "zoo"
    monkeypatch.setattr(zoo, "root", lambda: root)
    for place, alias in (
        ("asr/tiny_asr", "asr"),
        ("text/tiny_text", "text-classification"),
        ("translation/tiny_translation", "translation"),
        ("image/tiny_image", "image-generation"),
    ):
        shutil.copytree(golden / Path(place).name, root / place)
        zoo.seal(root / place, aliases=[alias])
    return root


@pytest.fixture(scope="session")
def exported_translator(tmp_path_factory):
    """A translator that knows eight lines, these, its file and its report.

    The export runs TensorFlow in a child process, so it is made once.
    """
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    import keras

    from tests.tasks.test_translator import batch, translator
    from tests.translation_examples import number_pairs

    keras.utils.set_random_seed(0)
    pairs = number_pairs(8, longest=4)
    inputs, labels = batch(pairs)
    task = translator(
        label_smoothing=0.0, max_source_tokens=24, max_target_tokens=32
    )
    task.compile(keras.optimizers.Adam(5e-3))
    task.fit(inputs, labels, batch_size=8, epochs=100, verbose=0)
    path = tmp_path_factory.mktemp("translator") / "numbers.tflite"
    report = task.export(path, progress=lambda line: None)
    return task, pairs, path, report


@pytest.fixture(scope="session")
def exported_whisper(tmp_path_factory):
    """A small random Whisper that hears 0.08 of its 0.1 s; file and report.

    It detects languages; the file was made to translate German.
    """
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    from tests.whisper_examples import recognizer

    task = recognizer(seed=8, multilingual=True).with_window(0.08)
    path = tmp_path_factory.mktemp("whisper") / "whisper.tflite"
    options = {"language": "German", "translate": True}
    report = task.export(path, **options, progress=lambda line: None)
    return task, path, report


@pytest.fixture(scope="session")
def exported_moonshine(tmp_path_factory):
    """A small random Moonshine, its file and its report, made once."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    from tests.moonshine_examples import recognizer

    task = recognizer(seed=2)
    path = tmp_path_factory.mktemp("moonshine") / "moonshine.tflite"
    report = task.export(path, progress=lambda line: None)
    return task, path, report


@pytest.fixture(scope="session")
def exported_masked_lm(tmp_path_factory):
    """A small random masked language model, and its sealed folder."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    from keras_selfattn import zoo
    from tests.fixed_weights import draw_weights
    from tests.tasks.test_masked_lm import masked_lm

    folder = tmp_path_factory.mktemp("masked") / "mine"
    task = draw_weights(masked_lm())
    task.save_preset(folder)
    task.export(folder / "model.tflite", progress=lambda line: None)
    zoo.seal(folder)
    return task, folder


@pytest.fixture(scope="session")
def exported_text_to_text(tmp_path_factory):
    """A text-to-text model that knows ten answers, its file and its report."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("the converter needs TensorFlow")
    import keras

    from tests.tasks.test_text_to_text import learn, text_to_text

    keras.utils.set_random_seed(0)
    task = text_to_text(max_source_tokens=24, max_target_tokens=20)
    learn(task)
    path = tmp_path_factory.mktemp("t5") / "words.tflite"
    return task, path, task.export(path, progress=lambda line: None)
