"""train/whisper_asr.py: adapters are learned, and a killed run goes on."""

import inspect
from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.training.callbacks import read_rows
from tests.stopped_runs import stopped_at


@pytest.fixture
def script(load_script):
    return load_script("train/whisper_asr.py")


def arguments(script, out, **options):
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters}
    values |= {"out": out, "smoke": True, "window_seconds": 1.5}
    return SimpleNamespace(**(values | options))


def steps(out):
    return [row["loss"] for row in read_rows(out / "steps.jsonl")]


def test_a_stopped_run_goes_on_to_the_same_losses(
    script, tmp_path, monkeypatch
):
    monkeypatch.setitem(script.SMOKE, "epochs", 2)
    script.run(arguments(script, tmp_path / "whole"))
    expected = steps(tmp_path / "whole")
    assert len(set(expected)) == 4
    args = arguments(script, tmp_path / "stopped")
    with stopped_at(1, 0):
        script.run(args)
    assert len(steps(tmp_path / "stopped")) == 3
    script.run(args)
    assert steps(tmp_path / "stopped") == expected
    adapters = [
        (tmp_path / run / "adapters.safetensors").read_bytes()
        for run in ("whole", "stopped")
    ]
    assert adapters[0] == adapters[1]
    task = zoo.load(tmp_path / "whole/preset")
    assert task.window_seconds == 2.0
    assert set(task.transcribe(np.full(32000, 0.1))) <= set("abcd ")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smoke": False}, "no --train FOLDER:SPLIT"),
        ({"smoke": False, "train": ["a:b"], "lora_rank": 0}, "are adapters"),
    ],
)
def test_what_a_user_can_get_wrong(script, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        script.run(arguments(script, tmp_path / "run", **options))
