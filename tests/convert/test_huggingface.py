import importlib
import json

import pytest

from keras_selfattn import tasks, zoo
from keras_selfattn.convert.huggingface import LOADERS, SAVERS, save_hf


@pytest.mark.parametrize("name", sorted({*LOADERS.values(), *SAVERS.values()}))
def test_what_the_tables_name_is_there(name):
    module, function = name.split(":")
    found = importlib.import_module(f"keras_selfattn.convert.{module}")
    assert callable(getattr(found, function))
    assert set(SAVERS) <= set(vars(tasks))


def test_other_architectures_and_tasks_are_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(ValueError, match="'llama'; there are tables for bert"):
        zoo.load(tmp_path)
    with pytest.raises(ValueError, match="writes .*MaskedLM.*received a dict"):
        save_hf({}, tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["roberta", "gpt2", "marian"])
def test_damaged_and_missing_weights_are_refused(copied, kind):
    folder = copied(kind)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="cut short or no safetensors file"):
        zoo.load(folder)
    path.rename(folder / "pytorch_model.bin")
    with pytest.raises(ValueError, match="Pickle files run code"):
        zoo.load(folder)
    index = {"weight_map": {"a": "model-1.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="lacks model-1.safetensors, 1 of"):
        zoo.load(folder)
