"""`train/causal_lm.py`: it learns, and a stopped run goes on exactly.

Killing a process at any moment is tested with `train/asr.py`, which shares
all of that with this script (`training/epoch_runs.py`).
"""

import inspect
import json
from types import SimpleNamespace

import numpy as np
import pytest

from keras_selfattn.tasks import CausalLM
from keras_selfattn.tasks.task import Task
from keras_selfattn.training.callbacks import read_rows
from tests.stopped_runs import stopped_at

OPTIONS = {
    "window": 16,
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "dropout": 0.2,
    "epochs": 2,
    "steps": 5,
    "batch_size": 4,
    "batch_tokens": 256,
    "warmup_steps": 2,
    "checkpoint_every": 3,
    "sample_tokens": 8,
}


@pytest.fixture
def script(load_script):
    return load_script("train/causal_lm.py")


def arguments(script, out, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters} | OPTIONS
    text = script.write_counting(out.parent / "counting.txt")
    values |= {"text": [text], "dev": [], "out": out}
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
    script.run(arguments(script, tmp_path / "whole"))
    expected = steps(tmp_path / "whole")
    assert len({row["loss"] for row in expected}) == 10
    args = arguments(script, tmp_path / "stopped")
    with stopped_at(1, 3):
        script.run(args)
    said = []
    monkeypatch.setattr(script, "say", said.append)
    script.run(args)
    assert "Going on with epoch 1, batch 3." in said
    assert steps(tmp_path / "stopped") == expected
    name = "preset/model.safetensors"
    one, other = (tmp_path / run / name for run in ("whole", "stopped"))
    assert one.read_bytes() == other.read_bytes()
    task = Task.from_preset_folder(tmp_path / "whole/preset")
    assert type(task) is CausalLM and task.begin_id is None


def test_lines_are_texts_of_their_own(script, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(script, "say", said.append)
    args = arguments(script, tmp_path / "out", lines=True, vocabulary=28)
    script.run(args)
    last = json.loads(said[-2])
    assert last["averaged_epochs"] == [1] and last["dev_loss"] > 0
    assert last["dev_perplexity"] == pytest.approx(
        np.exp(last["dev_loss"]), rel=1e-3
    )
    task = Task.from_preset_folder(tmp_path / "out/preset")
    assert (task.begin_id, task.end_id) == (1, 2)
    with pytest.raises(ValueError, match="give --vocabulary"):
        script.run(arguments(script, tmp_path / "bad", lines=True))


def test_the_held_out_part_is_scored_once_and_as_trained(script, tmp_path):
    args = arguments(script, tmp_path / "out")
    texts, held_out = script.read_parts(args)
    whole = args.text[0].read_text("utf-8")
    assert texts[0] + held_out[0] == whole
    assert len(held_out[0]) == pytest.approx(0.1 * len(whole), abs=1)
    args.out.mkdir()
    tokenizer = script.make_tokenizer(args, texts, held_out)
    model = script.build_model(args, tokenizer)
    dev = script.DevSet(args, model, held_out)
    loss, count = dev.loss(model)
    assert count == len(held_out[0]) - 1
    ids = np.array(tokenizer.encode(held_out[0]), "int32")
    first = model.compute_loss(
        y=ids[np.newaxis, 1:17], y_pred=model({"token_ids": ids[None, :16]})
    )
    (row,) = [row for row in dev.rows if row == ids[:17].tolist()]
    assert len(row) == 17 and 0.5 < float(first) / loss < 2


def test_smoke_leaves_a_preset(script, tmp_path, capsys):
    script.run(arguments(script, tmp_path / "out", smoke=True))
    assert (tmp_path / "out/preset/preset.json").is_file()
    assert "The preset is in" in capsys.readouterr().err


def test_nothing_to_read_is_named(script, tmp_path):
    with pytest.raises(ValueError, match="no --text FILE"):
        script.run(arguments(script, tmp_path / "out", text=[]))
