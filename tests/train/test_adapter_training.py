"""`train/adapter_training.py`: what is trained, begun with and kept.

Whole runs with adapters are tested with the scripts.
"""

from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.tasks.pretrained_masked_lm import pretrained_masked_lm
from tests.adapted_run import CHECKPOINT
from tests.arrays import to_numpy

IDS = np.array([[2, 5, 6, 3]])


@pytest.fixture
def script(load_script):
    return load_script("train/adapter_training.py")


@pytest.fixture
def model(repository):
    return pretrained_masked_lm(zoo.load(repository / CHECKPOINT))


def arguments(**options):
    values = {"lora_rank": 2, "lora_alpha": 4.0, "lora_targets": []}
    values |= {"adapters": "", "freeze": (), "seed": 0}
    return SimpleNamespace(**(values | options))


def logits(model):
    return to_numpy(model({"token_ids": IDS}, training=False))


def test_a_run_goes_on_with_the_adapters_of_an_earlier_one(
    script, model, repository, tmp_path
):
    before = logits(model)
    script.adapt(arguments(), model, model.encoder)
    np.testing.assert_array_equal(logits(model), before)
    trained = {v.path for v in model.trainable_variables}
    assert {p for p in trained if "lora" not in p} == {
        "head_dense/kernel",
        "head_dense/bias",
        "head_norm/gamma",
        "head_norm/beta",
        "head_bias/bias",
    }
    generator = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(generator.normal(0, 0.3, variable.shape))
    whole = script.keep_adapters(arguments(), tmp_path, model)
    np.testing.assert_allclose(logits(whole), logits(model), atol=1e-4)

    file = str(tmp_path / script.ADAPTERS)
    again = pretrained_masked_lm(zoo.load(repository / CHECKPOINT))
    script.adapt(arguments(adapters=file), again, again.encoder)
    np.testing.assert_array_equal(logits(again), logits(model))


def test_without_adapters_it_is_kept_as_it_is(script, model, tmp_path):
    args = arguments(lora_rank=0, freeze=["head_"])
    script.adapt(args, model, model.encoder)
    assert not any("head_" in v.path for v in model.trainable_variables)
    assert script.keep_adapters(args, tmp_path, model) is model
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lora_rank": 0, "adapters": "a"}, "needs the --lora-rank"),
        ({"freeze": ["head_"]}, "leave out --freeze"),
        ({"adapters": "none.safetensors"}, "not a readable safetensors"),
    ],
)
def test_what_does_not_go_together_is_named(script, model, options, message):
    with pytest.raises(ValueError, match=message):
        script.adapt(arguments(**options), model, model.encoder)
