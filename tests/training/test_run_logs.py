"""Tables are whole after each epoch; TensorBoard sees each step once."""

import csv
import json
import struct
import sys

import pytest

from keras_selfattn.training.callbacks import read_rows
from keras_selfattn.training.epoch_runs import fit_epoch
from keras_selfattn.training.run_logs import RunLogs, as_csv
from tests.sums_to_learn import Sums, model


def scalars(folder):
    """Scalars of all event files in order: tag to list of (step, value)."""
    proto = pytest.importorskip("tensorboardX.proto.event_pb2")
    found = {}
    paths = folder.glob("events.*")
    for path in sorted(paths, key=lambda p: p.stat().st_mtime_ns):
        data, place = path.read_bytes(), 0
        while place < len(data):
            (size,) = struct.unpack_from("<Q", data, place)
            event = proto.Event.FromString(data[place + 12 : place + 12 + size])
            place += 16 + size
            if event.HasField("session_log"):  # steps from here are hidden
                for tag in found:
                    found[tag] = [x for x in found[tag] if x[0] < event.step]
            for value in event.summary.value:
                found.setdefault(value.tag, []).append(
                    (event.step, value.simple_value)
                )
    return found


def test_the_tables_hold_every_step_and_epoch(tmp_path):
    logs, trained, history = RunLogs(tmp_path), model(), []
    assert logs.callbacks(0) == []
    for epoch in range(2):
        row = fit_epoch(trained, Sums(lambda _: 3), tmp_path, epoch)
        history.append(row | ({"dev_wer": 0.5} if epoch else {}))
        logs.write_epochs(history)
    lines = (tmp_path / "epochs.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == history
    with open(tmp_path / "epochs.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["0", "1"]
    assert [row["dev_wer"] for row in rows] == ["", "0.5"]
    with open(tmp_path / "steps.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    kept = read_rows(tmp_path / "steps.jsonl")
    assert [float(row["loss"]) for row in rows] == [r["loss"] for r in kept]
    assert len(rows) == 6


def test_tensorboard_has_each_step_once_after_a_resume(tmp_path):
    pytest.importorskip("tensorboardX")
    said, trained = [], model()
    logs = RunLogs(tmp_path, tensorboard=True, say=said.append)
    assert said[0].endswith(f"tensorboard --logdir {tmp_path}/tensorboard")

    def fit(epoch, first_batch=0):
        return fit_epoch(
            trained,
            Sums(lambda _: 3),
            tmp_path,
            epoch,
            first_batch,
            callbacks=logs.callbacks(epoch, first_batch),
        )

    logs.write_epochs([fit(0)])
    fit(1)
    logs.write_epochs([{"epoch": 0, "loss": 1.0}, fit(1, first_batch=2)])
    steps = scalars(tmp_path / "tensorboard/steps")
    kept = read_rows(tmp_path / "steps.jsonl")
    assert [step for step, _ in steps["step/loss"]] == list(range(6))
    expected = [row["loss"] for row in kept]
    assert [v for _, v in steps["step/loss"]] == pytest.approx(expected)
    rates = [value for _, value in steps["step/learning_rate"]]
    assert rates == pytest.approx([0.1] * 6)
    epochs = scalars(tmp_path / "tensorboard/epochs")
    assert [step for step, _ in epochs["epoch/loss"]] == [0, 1]


def test_a_trace_is_asked_for_until_it_is_there(tmp_path):
    logs = RunLogs(tmp_path, profile=2, say=lambda line: None)
    (tracing,) = logs.callbacks(0)
    assert logs.callbacks(1) == [tracing]
    tracing.done = True
    assert logs.callbacks(2) == []


def test_without_tensorboardx_the_error_says_what_to_install(
    tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"keras-selfattn\[tensorboard\]"):
        RunLogs(tmp_path, tensorboard=True)


def test_a_column_stands_where_it_first_comes():
    assert as_csv([{"a": 1}, {"b": None, "a": "x,y"}]) == 'a,b\n1,\n"x,y",\n'
