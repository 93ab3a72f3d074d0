import json

import numpy as np
import pytest

from keras_selfattn.training.callbacks import read_rows
from keras_selfattn.training.checkpoint import restore_checkpoint
from keras_selfattn.training.epoch_runs import (
    checkpoint_file,
    count_steps,
    epoch_file,
    fit_epoch,
    keep_arguments,
    speed,
)
from tests.sums_to_learn import Sums, model


def numbers():
    """Epoch e has e + 4 batches."""
    return Sums(lambda epoch: epoch + 4)


def losses(folder):
    return [row["loss"] for row in read_rows(folder / "steps.jsonl")]


def test_steps_are_counted_over_all_epochs():
    assert count_steps(numbers(), 3) == 4 + 5 + 6
    assert count_steps(numbers(), 3, max_steps=5) == 4 + 5 + 5


def test_an_epoch_is_logged_and_cut_at_max_steps(tmp_path):
    row = fit_epoch(model(), numbers(), tmp_path, 1, max_steps=3)
    assert row["epoch"] == 1
    assert len(losses(tmp_path)) == 3
    assert row["loss"] == pytest.approx(np.mean(losses(tmp_path)))
    assert 0 <= row["seconds"] < 60
    assert not checkpoint_file(tmp_path).exists()


def test_the_rest_of_an_epoch_goes_on_from_its_checkpoint(tmp_path):
    whole, half = tmp_path / "whole", tmp_path / "half"
    whole.mkdir()
    half.mkdir()
    fit_epoch(model(), numbers(), whole, 1)
    fit_epoch(
        model(), numbers(), half, 1, history=["a"], checkpoint_every=2,
        max_steps=3,
    )  # fmt: skip
    again = model()
    assert restore_checkpoint(checkpoint_file(half), again) == (1, 2, ["a"])
    row = fit_epoch(again, numbers(), half, 1, first_batch=2)
    assert losses(half) == losses(whole)
    assert row["loss"] == pytest.approx(np.mean(losses(half)))


def test_nothing_is_left_where_all_was_done(tmp_path):
    fit_epoch(model(), numbers(), tmp_path, 0)
    row = fit_epoch(model(), numbers(), tmp_path, 0, first_batch=4)
    assert row["loss"] == pytest.approx(np.mean(losses(tmp_path)))
    assert len(losses(tmp_path)) == 4


def test_changed_arguments_are_said_where_a_run_goes_on(tmp_path):
    said = []
    keep_arguments(tmp_path, {"rate": 0.1, "out": tmp_path}, False, said.append)
    assert said == []
    keep_arguments(tmp_path, {"rate": 0.2, "out": tmp_path}, True, said.append)
    assert said == [
        "Note: rate was 0.1 and is now 0.2; losses may differ from here."
    ]
    kept = json.loads((tmp_path / "arguments.json").read_text())
    assert kept == {"rate": 0.2, "out": str(tmp_path)}


def test_the_names_of_files(tmp_path):
    assert epoch_file(tmp_path, 7) == tmp_path / "epoch_007.safetensors"
    assert checkpoint_file(str(tmp_path)) == tmp_path / "checkpoint.npz"


def test_speed_and_waiting_stand_in_the_row_where_they_are_known(tmp_path):
    class Fed:
        unit, amount, waited_seconds = "tokens", 600.0, 1.0

    assert speed(Fed(), 4.0) == {"tokens_per_second": 150.0, "waited": 0.25}
    assert speed(None, 4.0) == {}
    dataset = numbers()
    assert set(fit_epoch(model(), dataset, tmp_path, 0)) == {
        "epoch", "loss", "seconds",
    }  # fmt: skip
    dataset.fed = Fed()
    row = fit_epoch(model(), dataset, tmp_path, 1)
    assert row["tokens_per_second"] > 0 and 0 < row["waited"] <= 1
