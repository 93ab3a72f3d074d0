"""Adapters become a sealed preset; their encoder stays where it is."""

import numpy as np
import pytest
from typer.testing import CliRunner

from keras_selfattn import zoo
from tests.adapted_run import write_run
from tests.arrays import to_numpy


@pytest.fixture
def publish(load_script, tmp_path, monkeypatch):
    script = load_script("train/publish_adapters.py")
    monkeypatch.setattr(zoo, "root", lambda: tmp_path / "zoo")
    monkeypatch.setenv("KERAS_SELFATTN_CACHE", str(tmp_path / "cache"))
    app = script.typer.Typer()
    app.command()(script.main)

    def run(trained, package="tests"):
        options = ["--package", package, "--package-folder"]
        options += ["golden/checkpoints/bert", "--hub", "nobody/golden-bert"]
        options += ["--description", "Random.", "--licence", "MIT"]
        folder = tmp_path / "zoo/text_classification/mine"
        return CliRunner().invoke(app, [str(trained), str(folder), *options])

    return run


def test_it_is_in_the_index_and_loads(publish, repository, tmp_path):
    merged = write_run(repository, tmp_path / "run")
    found = publish(tmp_path / "run")
    assert found.exit_code == 0, found.output
    assert "mine: " in found.output and "['bad', 'good']" in found.output
    contents = zoo.describe("mine")
    assert contents["base"]["name"] == "golden-bert"
    assert "extra" not in contents["base"]
    assert contents["license"] == "MIT"
    inputs = merged.tokenizer.batch(["the cat sat"])
    np.testing.assert_allclose(
        to_numpy(zoo.load("mine")(inputs)), to_numpy(merged(inputs)), atol=2e-3
    )


def test_what_is_missing_is_one_error(publish, tmp_path):
    found = publish(tmp_path, package="no-such-package")
    assert found.exit_code == 2
    assert "pip install --no-deps no-such-package" in found.output
    found = publish(tmp_path)
    assert found.exit_code == 2 and "with --lora-rank" in found.output
