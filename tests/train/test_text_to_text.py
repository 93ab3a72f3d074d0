"""`train/text_to_text.py`: it learns, and a stopped run goes on exactly.

Killing a process at any moment is tested with `train/asr.py`, which shares
all of that with this script (`training/epoch_runs.py`).
"""

import inspect
import json
from types import SimpleNamespace

import pytest

from keras_selfattn.data.text_to_text_tasks import read_tasks
from keras_selfattn.preprocessing.spoken_numbers import spell_number
from keras_selfattn.tasks import TextToText
from keras_selfattn.tasks.task import Task
from keras_selfattn.training.callbacks import read_rows
from tests.stopped_runs import stopped_at

OPTIONS = {
    "made_up": 30,
    "vocabulary": 80,
    "sentinels": 10,
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "intermediate_dim": 16,
    "dropout": 0.2,
    "epochs": 2,
    "batch_tokens": 256,
    "length_multiple": 16,
    "warmup_steps": 2,
    "checkpoint_every": 3,
    "max_steps": 5,
    "average": 2,
    "dev_every": 9,
    "dev_examples": 1,
    "beam": 1,
}


@pytest.fixture
def script(load_script):
    return load_script("train/text_to_text.py")


def arguments(script, out, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters} | OPTIONS
    lines = out.parent / "lines.txt"
    lines.write_text("baritone lu kami sovedu\n\nnelu pagi toba ri\n" * 20)
    values |= {"spans": [str(lines)], "out": out}
    return SimpleNamespace(**(values | options))


def steps(out):
    """What every run must agree on: all but the seconds."""
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read_rows(out / "steps.jsonl")
    ]


def test_a_stopped_run_goes_on_to_the_same_losses(
    script, tmp_path, monkeypatch
):
    said = []
    monkeypatch.setattr(script, "say", said.append)
    script.run(arguments(script, tmp_path / "whole"))
    expected = steps(tmp_path / "whole")
    assert len({row["loss"] for row in expected}) == 10
    rows = [json.loads(line) for line in said if line.startswith("{")]
    for task in ("number", "spell", "reverse"):
        assert {f"dev_{task}_accuracy", f"dev_{task}_bleu"} <= set(rows[-1])
    args = arguments(script, tmp_path / "stopped")
    with stopped_at(1, 3):
        script.run(args)
    said.clear()
    script.run(args)
    assert "Going on with epoch 1, batch 3." in said
    assert steps(tmp_path / "stopped") == expected
    name = "preset/model.safetensors"
    one, other = (tmp_path / run / name for run in ("whole", "stopped"))
    assert one.read_bytes() == other.read_bytes()
    task = Task.from_preset_folder(tmp_path / "whole" / "preset")
    assert type(task) is TextToText
    assert isinstance(task.generate("spell: bari"), str)
    assert task.max_source_tokens < 128  # as it has seen


def test_made_up_tasks_are_right(script, tmp_path):
    path = script.write_made_up(tmp_path / "made_up.tsv", 40)
    train, dev = (read_tasks([f"{path}:{split}"]) for split in ("train", "dev"))
    assert set(train) == set(dev) == {"number", "spell", "reverse"}
    for task, pairs in train.items():
        assert len(pairs) == 41 and len(dev[task]) == 4
        held_out = {pair.source for pair in dev[task]}
        assert not held_out & {pair.source for pair in pairs}
    for pair in train["spell"]:
        word = pair.source.removeprefix("spell: ")
        assert pair.target.replace(" ", "") == word
    for pair in train["reverse"]:
        words = pair.source.removeprefix("reverse: ").split()
        assert pair.target.split() == words[::-1]
    for pair in train["number"]:
        assert pair.source == f"number: {spell_number(pair.target)}"
    again = script.write_made_up(tmp_path / "again.tsv", 40)
    assert (tmp_path / "again.tsv").read_text() == open(path).read() != again


def test_nothing_to_train_on_is_refused(script, tmp_path):
    args = arguments(script, tmp_path / "run", made_up=0, spans=[])
    with pytest.raises(ValueError, match="Nothing to train on: give --train"):
        script.run(args)
    args = arguments(script, tmp_path / "run", schedule="none")
    with pytest.raises(ValueError, match="--schedule none is unknown"):
        script.run(args)
