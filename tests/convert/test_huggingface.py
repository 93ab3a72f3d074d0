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
