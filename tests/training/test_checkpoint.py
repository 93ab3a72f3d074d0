import os

import keras
import numpy as np
import pytest

from keras_selfattn.training.callbacks import StepLog, read_rows
from keras_selfattn.training.checkpoint import (
    CheckpointEvery,
    DamagedCheckpoint,
    has_checkpoint,
    remove_checkpoints,
    restore_checkpoint,
    restore_newest,
    save_checkpoint,
)
from keras_selfattn.training.schedules import WarmupCosine

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(24, 6)).astype("float32")
Y = GENERATOR.normal(size=(24, 2)).astype("float32")


def build(seed, width=8, optimizer=keras.optimizers.AdamW):
    """A model with all that a step may depend on: dropout, norm, rate."""
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.3, seed=1),
            keras.layers.GaussianNoise(0.2, seed=2),
            keras.layers.Dense(2),
        ]
    )
    model.compile(optimizer(WarmupCosine(0.05, 12, 2)), loss="mse")
    return model


def fit(model, epoch, first_batch, *callbacks, batches=6):
    start = 4 * first_batch
    model.fit(
        X[start : 4 * batches],
        Y[start : 4 * batches],
        batch_size=4,
        shuffle=False,
        verbose=0,
        callbacks=list(callbacks),
    )


def values(model):
    return [
        keras.ops.convert_to_numpy(variable.value)
        for variable in model.variables + model.optimizer.variables
    ]


@pytest.mark.backend
def test_goes_on_to_the_same_losses_and_weights_bit_for_bit(tmp_path):
    whole, path = tmp_path / "whole.jsonl", tmp_path / "steps.jsonl"
    never_killed = build(seed=0)
    for epoch in range(2):
        fit(never_killed, epoch, 0, StepLog(whole, epoch))
    # Killed in epoch 1 after five of six batches; saved after three.
    saved, history = tmp_path / "checkpoint.npz", [{"epoch": 0}]
    killed = build(seed=0)
    for epoch, batches in ((0, 6), (1, 5)):
        fit(
            killed,
            epoch,
            0,
            StepLog(path, epoch),
            CheckpointEvery(saved, 3, epoch, history=history),
            batches=batches,
        )
    # A new process has other first weights, and names are counted up.
    resumed = build(seed=99)
    place = restore_checkpoint(saved, resumed)
    assert place == (1, 3, history)
    fit(resumed, 1, 3, StepLog(path, 1, 3))
    losses = [(row["batch"], row["loss"]) for row in read_rows(path)]
    assert losses == [(row["batch"], row["loss"]) for row in read_rows(whole)]
    assert len(losses) == 12
    rates = [row["learning_rate"] for row in read_rows(path)]
    assert rates == [row["learning_rate"] for row in read_rows(whole)]
    for found, expected in zip(
        values(resumed), values(never_killed), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.backend
def test_saves_after_every_so_many_batches_of_the_epoch(tmp_path):
    path, model, places = tmp_path / "checkpoint.npz", build(0), []

    class Look(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if path.exists():
                with np.load(path) as data:
                    places.append(tuple(data["place"].tolist()))
                path.unlink()

    fit(model, 7, 1, CheckpointEvery(path, 2, 7, first_batch=1), Look())
    assert places == [(7, 2), (7, 4), (7, 6)]
    assert os.listdir(tmp_path) == []


@pytest.fixture
def saved(tmp_path):
    model = build(0)
    model.optimizer.build(model.trainable_variables)
    save_checkpoint(tmp_path / "checkpoint.npz", model, 1, 0, [])
    return tmp_path / "checkpoint.npz"


@pytest.mark.backend
def test_a_model_of_another_size_is_refused_and_left_alone(saved):
    model = build(5, width=9)
    model.optimizer.build(model.trainable_variables)
    before = values(model)
    with pytest.raises(ValueError, match=r"another model.*\(6, 8\).*\(6, 9\)"):
        restore_checkpoint(saved, model)
    for found, expected in zip(values(model), before, strict=True):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.backend
def test_another_optimizer_is_refused_and_the_model_left_alone(saved):
    model = build(5, optimizer=keras.optimizers.SGD)
    before = model.get_weights()
    with pytest.raises(ValueError, match="another optimizer: it holds"):
        restore_checkpoint(saved, model)
    for found, expected in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(found, expected)


def test_variables_in_another_order_are_refused_where_shapes_fit(tmp_path):
    def named(*names):
        model = keras.Sequential(
            [keras.Input((2,)), *(keras.layers.Dense(2, name=n) for n in names)]
        )
        model.compile("sgd", loss="mse")
        model.optimizer.build(model.trainable_variables)
        return model

    save_checkpoint(tmp_path / "c.npz", named("key", "value"), 0, 0)
    assert restore_checkpoint(tmp_path / "c.npz", named("key", "value")) == (
        0,
        0,
        None,
    )
    with pytest.raises(ValueError, match=r"holds \S*key/kernel .*value/kernel"):
        restore_checkpoint(tmp_path / "c.npz", named("value", "key"))


@pytest.mark.parametrize("cut", [0, 100, -30])
def test_a_file_cut_short_is_refused(saved, cut):
    saved.write_bytes(saved.read_bytes()[:cut])
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        restore_checkpoint(saved, build(0))


def test_a_changed_byte_is_refused(saved):
    with np.load(saved) as data:
        weight = next(data[key] for key in data if "dense" in key)
    content = bytearray(saved.read_bytes())
    content[content.index(weight.tobytes()) + 5] ^= 1
    saved.write_bytes(content)
    with pytest.raises(ValueError, match="not a whole checkpoint"):
        restore_checkpoint(saved, build(0))


def test_a_missing_file_is_an_error_of_its_own(tmp_path):
    with pytest.raises(ValueError, match="c.npz does not exist"):
        restore_checkpoint(tmp_path / "c.npz", build(0))


@pytest.mark.backend
def test_bfloat16_variables_come_back(tmp_path):
    def small():
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, dtype="bfloat16")]
        )
        model.compile("sgd", loss="mse")
        model.optimizer.build(model.trainable_variables)
        return model

    model, other = small(), small()
    save_checkpoint(tmp_path / "c.npz", model, 0, 0)
    restore_checkpoint(tmp_path / "c.npz", other)
    for found, expected in zip(other.weights, model.weights, strict=True):
        assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(keras.ops.cast(found, "float32")),
            keras.ops.convert_to_numpy(keras.ops.cast(expected, "float32")),
        )


def test_no_batch_between_two_saves_is_refused(tmp_path):
    with pytest.raises(ValueError, match="every=0"):
        CheckpointEvery(tmp_path / "c.npz", 0, 0)


def test_the_one_before_stands_in_for_a_damaged_one(tmp_path):
    path, model, said = tmp_path / "checkpoint.npz", build(0), []
    model.optimizer.build(model.trainable_variables)
    assert not has_checkpoint(path)
    for batch in range(4):
        save_checkpoint(path, model, 2, batch, keep=3)
    assert sorted(os.listdir(tmp_path)) == [
        "checkpoint.1.npz",
        "checkpoint.2.npz",
        "checkpoint.npz",
    ]
    assert restore_newest(path, build(1), said.append) == (2, 3, None)
    assert not said
    path.write_bytes(path.read_bytes()[:100])
    assert restore_newest(path, build(1), said.append) == (2, 2, None)
    (line,) = said
    assert "not a whole checkpoint" in line
    assert line.endswith("Going back to checkpoint.1.npz.")
    # Of another model is another matter: nobody wants an older one of it.
    with pytest.raises(ValueError, match="another model"):
        restore_newest(tmp_path / "checkpoint.1.npz", build(1, 9), said.append)
    for older in tmp_path.iterdir():
        older.write_bytes(b"")
    with pytest.raises(DamagedCheckpoint, match="checkpoint.2.npz is not"):
        restore_newest(path, build(1), said.append)
    remove_checkpoints(path)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_leaves_the_old_one_whole(saved, monkeypatch):
    import errno

    def full(file, **arrays):
        file.write(b"half of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="No space left on device") as found:
        save_checkpoint(saved, build(0), 9, 0)
    assert found.value.errno == errno.ENOSPC
    assert "one before it is whole" in str(found.value)
    assert os.listdir(saved.parent) == [saved.name]
    assert restore_checkpoint(saved, build(1)) == (1, 0, [])


def test_torchs_random_numbers_go_on(saved):
    if keras.backend.backend() != "torch":
        pytest.skip("other backends keep no state beside variables")
    import torch

    torch.manual_seed(5)
    model = build(0)
    model.optimizer.build(model.trainable_variables)
    torch.rand(3)
    save_checkpoint(saved, model, 0, 0)
    expected = torch.rand(3)
    torch.manual_seed(6)
    restore_checkpoint(saved, build(1))
    assert torch.equal(torch.rand(3), expected)
