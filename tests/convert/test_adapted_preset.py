"""A preset of adapters, beside the golden BERT as the encoder of others."""

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.convert.adapted_preset import load_adapted, save_adapted
from keras_selfattn.convert.external_preset import sums
from tests.adapted_run import CHECKPOINT, TARGETS, write_run
from tests.arrays import to_numpy

TEXTS = ["the cat sat", "dull and long"]


@pytest.fixture
def base(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_SELFATTN_CACHE", str(tmp_path / "cache"))
    return {
        "name": "golden-bert",
        "package": {
            "name": "golden-bert",
            "module": "tests",
            "folder": "golden/checkpoints/bert",
        },
        "hub": "nobody/nothing",
        "sha256": sums(zoo.load(repository / CHECKPOINT)),
    }


@pytest.fixture
def trained(repository, tmp_path):
    """The folder of a run with adapters, and the classifier it ended with."""
    return tmp_path / "run", write_run(repository, tmp_path / "run")


def logits(task):
    return to_numpy(task(task.tokenizer.batch(TEXTS), training=False))


@pytest.mark.slow
@pytest.mark.backend
def test_it_is_the_classifier_that_was_trained(trained, base, tmp_path):
    run, merged = trained
    folder = save_adapted(run, tmp_path / "mine", base, language="en")
    zoo.seal(folder)
    found = zoo.load(folder)
    # The encoder is read as float16.
    np.testing.assert_allclose(logits(found), logits(merged), atol=2e-3)
    assert found.classify(TEXTS[0]).label == merged.classify(TEXTS[0]).label
    # The same from the copy in the cache, bit for bit.
    np.testing.assert_array_equal(logits(zoo.load(folder)), logits(found))
    written = zoo.describe(folder)
    assert written["name"] == "mine" and written["language"] == "en"
    assert set(written["files"]) == {"adapters.safetensors"}
    assert written["adapters"] == {"rank": 2, "alpha": 4.0, "targets": TARGETS}
    size = (folder / "adapters.safetensors").stat().st_size
    assert size < (run / "preset/model.safetensors").stat().st_size / 2


def test_without_its_encoder_it_says_what_to_install(trained, base, tmp_path):
    base["package"]["module"] = "no_such_module"
    folder = save_adapted(trained[0], tmp_path / "mine", base)
    with pytest.raises(zoo.PresetError, match="--no-deps golden-bert"):
        zoo.load(folder)
    with pytest.raises(zoo.PresetError, match="comes without a model.tflite"):
        zoo.preset_folder.model_file(folder, "model.tflite")


def test_what_does_not_fit_is_refused(trained, base, tmp_path):
    folder = save_adapted(trained[0], tmp_path / "mine", base)
    contents = zoo.describe(folder)
    with pytest.raises(ValueError, match="knows those of a TextClassifier"):
        load_adapted(folder, {**contents, "task": "Translator"})
    other = {**contents["adapters"], "rank": 3}
    with pytest.raises(ValueError, match="is of other adapters"):
        load_adapted(folder, {**contents, "adapters": other})
    zoo.seal(folder)
    (folder / "adapters.safetensors").write_bytes(b"changed")
    with pytest.raises(zoo.PresetError, match="adapters.safetensors"):
        zoo.load(folder)


def test_a_run_without_adapters_is_refused(trained, base, tmp_path):
    run, _ = trained
    (run / "adapters.safetensors").unlink()
    with pytest.raises(ValueError, match="with --lora-rank"):
        save_adapted(run, tmp_path / "mine", base)
    assert not (tmp_path / "mine").exists()
