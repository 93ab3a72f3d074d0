import json

import keras
import numpy as np
import pytest

from keras_selfattn.training.callbacks import (
    StepLog,
    drop_rows_from,
    read_rows,
)
from keras_selfattn.training.schedules import WarmupCosine

X = np.random.default_rng(0).normal(size=(10, 3)).astype("float32")
Y = np.random.default_rng(1).normal(size=(10, 2)).astype("float32")
BATCHES = [slice(0, 4), slice(4, 8), slice(8, 10)]  # the last is smaller


def build(learning_rate=0.0):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return model


def fit(model, x, y, log):
    fitted = model.fit(
        x, y, batch_size=4, shuffle=False, verbose=0, callbacks=[log]
    )
    return fitted.history["loss"][-1]


def own_losses(model, y=Y):
    predicted = X @ np.asarray(model.get_weights()[0], "float64")
    return [np.mean((predicted[b] - y[b]) ** 2) for b in BATCHES]


@pytest.mark.backend
def test_each_line_holds_the_loss_of_its_own_step(tmp_path):
    model, path = build(), tmp_path / "steps.jsonl"
    mean = fit(model, X, Y, StepLog(path, epoch=5))
    rows = read_rows(path)
    assert [(row["epoch"], row["batch"]) for row in rows] == [
        (5, 0),
        (5, 1),
        (5, 2),
    ]
    losses = [row["loss"] for row in rows]
    np.testing.assert_allclose(losses, own_losses(model), rtol=1e-5)
    assert mean == pytest.approx(np.mean(losses), rel=1e-12)
    assert all(row["seconds"] >= 0 for row in rows)


@pytest.mark.backend
def test_each_line_holds_the_rate_of_its_own_step(tmp_path):
    schedule = WarmupCosine(0.1, 20, 3)
    model, path = build(schedule), tmp_path / "steps.jsonl"
    for epoch in range(2):
        fit(model, X, Y, StepLog(path, epoch))
    rates = [row["learning_rate"] for row in read_rows(path)]
    expected = [float(schedule(step)) for step in range(6)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


@pytest.mark.backend
def test_steps_done_again_stand_once_and_count_once(tmp_path):
    whole, path = tmp_path / "whole.jsonl", tmp_path / "steps.jsonl"
    model = build()
    first = fit(model, X, Y, StepLog(whole, 0))
    second = fit(model, X, Y, StepLog(whole, 1))
    # Killed in epoch 1 behind its second batch, in the middle of a line;
    # the checkpoint is of its first.
    lines = whole.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:5]) + lines[5][:20])
    mean = fit(model, X[4:], Y[4:], StepLog(path, 1, first_batch=1))
    assert [(row["epoch"], row["batch"]) for row in read_rows(path)] == [
        (epoch, batch) for epoch in range(2) for batch in range(3)
    ]
    assert [row["loss"] for row in read_rows(path)] == [
        row["loss"] for row in read_rows(whole)
    ]
    assert mean == first == second


@pytest.mark.backend
def test_a_loss_that_is_not_finite_spoils_no_other_line(tmp_path):
    spoiled = Y.copy()
    spoiled[5] = np.nan
    model, path = build(), tmp_path / "steps.jsonl"
    # The rate is 0, but NaN times 0 would still reach the weights.
    model.trainable = False
    mean = fit(model, X, spoiled, StepLog(path, 0))
    expected = own_losses(model)
    rows = read_rows(path)
    assert "NaN" not in path.read_text()
    assert rows[1]["loss"] is None
    assert rows[0]["loss"] == pytest.approx(expected[0], rel=1e-5)
    assert rows[2]["loss"] == pytest.approx(expected[2], rel=1e-5)
    assert mean == pytest.approx((expected[0] + expected[2]) / 2, rel=1e-5)


@pytest.mark.backend
def test_stops_after_so_many_bad_losses_in_a_row(tmp_path):
    path = tmp_path / "steps.jsonl"
    with pytest.raises(FloatingPointError, match=r"2 steps .*epoch 3, batch 8"):
        fit(build(), X, Y * np.nan, StepLog(path, 3, 7, patience=2))
    assert [row["loss"] for row in read_rows(path)] == [None, None]


def test_a_run_started_anew_drops_the_old_lines(tmp_path):
    path = tmp_path / "steps.jsonl"
    rows = [
        {"epoch": epoch, "batch": batch, "loss": 1.0}
        for epoch in range(3)
        for batch in range(2)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert drop_rows_from(path, 3, 0) == rows == read_rows(path)
    assert drop_rows_from(path, 1, 1) == rows[:3] == read_rows(path)
    assert drop_rows_from(path, 0, 0) == [] == read_rows(path)
    assert drop_rows_from(tmp_path / "none.jsonl", 0, 0) == []


def test_a_line_of_something_else_is_an_error(tmp_path):
    path = tmp_path / "steps.jsonl"
    path.write_text("epoch 0\n")
    with pytest.raises(ValueError, match="steps.jsonl holds a line that is"):
        StepLog(path, 0).on_train_begin()


def test_no_patience_is_refused(tmp_path):
    with pytest.raises(ValueError, match="patience=0"):
        StepLog(tmp_path / "steps.jsonl", 0, patience=0)
