"""`train/training_run.py`: what the training scripts share.

That a stopped run goes on exactly is tested with each of the scripts.
"""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import typer

from keras_selfattn.training.epoch_runs import checkpoint_file, epoch_file
from tests.sums_to_learn import Sums, model


@pytest.fixture
def training(load_script):
    return load_script("train/training_run.py")


def numbers():
    """Three batches an epoch."""
    return Sums(lambda epoch: 3)


def arguments(**options):
    values = {
        "epochs": 3,
        "checkpoint_every": 2,
        "max_steps": 0,
        "name": "",
        "tensorboard": False,
        "profile": 0,
    }
    return SimpleNamespace(**(values | options))


def test_every_epoch_is_scored_said_and_kept(training, tmp_path):
    said, begun = [], []
    trained = model()
    history = training.train_epochs(
        arguments(),
        tmp_path,
        trained,
        numbers(),
        lambda row: {"dev_wer": 1 / (1 + row["epoch"])},
        said.append,
        before=lambda epoch, rows: begun.append((epoch, len(rows))),
    )
    assert begun == [(0, 0), (1, 1), (2, 2)]
    assert [row["dev_wer"] for row in history] == [1, 1 / 2, 1 / 3]
    assert [json.loads(line) for line in said] == history
    assert list(history[0]) == ["epoch", "loss", "seconds", "dev_wer"]
    kept = json.loads((tmp_path / "arguments.json").read_text())
    assert kept == vars(arguments())
    names = {path.name for path in tmp_path.iterdir()}
    files = [epoch_file(tmp_path, epoch) for epoch in range(3)]
    files += [checkpoint_file(tmp_path), tmp_path / "curves.png"]
    assert {path.name for path in files} <= names
    # The checkpoint stands at the end: the same command has nothing to do.
    again = training.train_epochs(
        arguments(), tmp_path, model(), numbers(), None, said.append
    )
    assert said[-1] == "Going on with epoch 3, batch 0." and again == history


def test_training_ends_where_before_says_so(training, tmp_path):
    history = training.train_epochs(
        arguments(),
        tmp_path,
        model(),
        numbers(),
        lambda row: {},
        lambda line: None,
        before=lambda epoch, rows: len(rows) == 1,
    )
    assert [row["epoch"] for row in history] == [0]


def test_the_mean_of_epochs_is_loaded_and_kept(training, tmp_path):
    from keras_selfattn.tasks.task import save_weight_file

    trained = model()
    for epoch, value in enumerate([9.0, 1.0, 3.0]):
        trained.set_weights([np.full((2, 1), value), np.full(1, value)])
        save_weight_file(trained, epoch_file(tmp_path, epoch), "float32")
    training.load_mean(trained, tmp_path, [1, 2])
    assert [value.max() for value in trained.get_weights()] == [2.0, 2.0]
    assert (tmp_path / "averaged.safetensors").is_file()


@pytest.mark.parametrize(
    "error", [ValueError("why"), FloatingPointError("why"), ImportError("why")]
)
def test_what_a_user_can_cause_is_one_line_and_a_status(
    training, monkeypatch, capsys, error
):
    monkeypatch.setenv("KERAS_BACKEND", "torch")

    def run(args):
        assert vars(args) == {"backend": "jax", "rate": 1}
        assert training.os.environ["KERAS_BACKEND"] == "jax"
        raise error

    with pytest.raises(typer.Exit) as ended:
        training.start(run, {"backend": "jax", "rate": 1})
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "error: why\n"


def test_without_a_backend_keras_chooses(training, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    seen = []
    training.start(seen.append, {"backend": ""})
    assert seen == [SimpleNamespace(backend="")]
    assert training.os.environ["KERAS_BACKEND"] == "torch"
