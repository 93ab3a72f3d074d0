"""`choose_backend`: which Keras backend a command runs on."""

import os
import sys

import pytest

from keras_selfattn import backends


@pytest.fixture
def installed(monkeypatch, tmp_path):
    """Set what counts as installed; Keras not imported yet."""
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def install(*names):
        monkeypatch.setattr(backends, "_is_installed", names.__contains__)

    return install


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        (["torch", "jax", "tensorflow"], "torch"),
        (["jax", "tensorflow"], "jax"),
        (["tensorflow"], "tensorflow"),
    ],
)
def test_the_first_installed_is_taken_and_set(installed, there, chosen):
    installed("keras", *there)
    assert backends.choose_backend() == chosen
    assert os.environ["KERAS_BACKEND"] == chosen


def test_the_environment_wins(installed, monkeypatch):
    installed("keras", "torch", "jax")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert backends.choose_backend() == "jax"


@pytest.mark.parametrize(
    ("configured", "there", "chosen"),
    [
        ("jax", ["torch", "jax"], "jax"),
        ("jax", ["torch", "tensorflow"], "torch"),
        ("tensorflow", ["torch", "tensorflow"], "torch"),  # Keras's default
        ("tensorflow", ["tensorflow"], "tensorflow"),
    ],
)
def test_keras_json_is_followed_where_somebody_wrote_it(
    installed, tmp_path, configured, there, chosen
):
    (tmp_path / "keras.json").write_text(f'{{"backend": "{configured}"}}')
    installed("keras", *there)
    assert backends.choose_backend() == chosen


@pytest.mark.parametrize("content", ["", "[]", "{}", "\xff"])
def test_a_damaged_keras_json_is_passed_over(installed, tmp_path, content):
    (tmp_path / "keras.json").write_text(content, encoding="latin1")
    installed("keras", "jax")
    assert backends.choose_backend() == "jax"


@pytest.mark.parametrize(
    ("there", "message"),
    [([], "Keras is not installed"), (["keras"], "no backend installed")],
)
def test_nothing_installed_names_the_extras(installed, there, message):
    installed(*there)
    with pytest.raises(ImportError, match=message) as error:
        backends.choose_backend()
    for extra in ("[torch]", "[jax]", "[tensorflow]"):
        assert f"'keras-selfattn{extra}'" in str(error.value)


def test_a_backend_asked_for_but_missing_is_named(installed, monkeypatch):
    installed("keras", "torch")
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(ImportError, match=r"KERAS_BACKEND is jax.*torch"):
        backends.choose_backend()


def test_keras_already_imported_decides(monkeypatch):
    import keras

    monkeypatch.setenv("KERAS_BACKEND", "another")
    assert backends.choose_backend() == keras.backend.backend()
