"""A training script over two processes: killed, gone on with by one."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from keras_selfattn.training.callbacks import read_rows
from tests.distributed.processes import ROOT

pytestmark = [pytest.mark.distributed, pytest.mark.proof]

OPTIONS = {
    "hidden-dim": 8,
    "heads": 2,
    "epochs": 2,
    "batch-size": 5,
    "accumulate": 2,
    "dropout": 0,
    "embedding-dropout": 0,
    "head-dropout": 0,
    "word-dropout": 0,
    "checkpoint-every": 2,
    "dev-share": 0.2,
    "backend": "torch",
}


def command(table, out, *more):
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    script = ROOT / "train" / "text_classification.py"
    found = [sys.executable, str(script), *options, "--class-weights"]
    return [*found, f"--train={table}", f"--out={out}", *more]


def environment():
    """Without what would say that this is one of several processes."""
    names = {"RANK", "WORLD_SIZE", "TF_CONFIG"}
    kept = {k: v for k, v in os.environ.items() if k not in names}
    return {**kept, "PYTHONPATH": str(ROOT)}


def run(*words):
    return subprocess.run(
        words, env=environment(), capture_output=True, text=True
    )


@pytest.fixture
def table(tmp_path):
    rows = ["text\tlabel"]
    for i in range(48):
        word = ("good", "bad", "odd")[i % 3]
        rows.append(f"{'so ' * (i % 7)}{word} {'film ' * (i % 5)}\t{i % 3 > 0}")
    path = tmp_path / "films.tsv"
    path.write_text("\n".join(rows) + "\n")
    return path


def losses(out):
    return [row["loss"] for row in read_rows(out / "steps.jsonl")]


def child_of(parent, rank):
    """The process id of a launcher's child of some rank."""
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                above = int(file.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{name}/environ", "rb") as file:
                around = file.read().split(b"\0")
        except OSError:
            continue
        if above == parent and f"RANK={rank}".encode() in around:
            return int(name)
    raise LookupError(rank)


def test_two_processes_one_is_killed_and_one_process_goes_on(table, tmp_path):
    if sys.platform != "linux":
        pytest.skip("looks for processes in /proc")
    whole = run(*command(table, tmp_path / "whole"))
    assert whole.returncode == 0, whole.stderr

    out = tmp_path / "killed"
    launcher = subprocess.Popen(
        command(table, out, "--num-processes=2"),
        env=environment(),
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 300
        log = out / "steps.jsonl"
        while not log.exists() or log.read_text().count("\n") < 3:
            assert launcher.poll() is None, launcher.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.01)
        os.kill(child_of(launcher.pid, 1), signal.SIGKILL)
        killed = time.monotonic()
        said = launcher.communicate(timeout=120)[1]
        assert time.monotonic() - killed < 60
    finally:
        launcher.kill()
    assert launcher.returncode == 1
    assert "error: process 1 of 2 was ended by SIGKILL" in said
    assert said.count("data_parallel: 2 processes (RANK and WORLD_SIZE)") == 1

    again = run(*command(table, out))
    assert again.returncode == 0, again.stderr
    assert "Going on with epoch" in again.stderr
    assert "num_processes was 2 and is now 1" in again.stderr
    assert losses(out) == pytest.approx(losses(tmp_path / "whole"), abs=1e-5)
    reports = [
        json.loads((folder / "report_dev.json").read_text())["accuracy"]
        for folder in (out, tmp_path / "whole")
    ]
    assert reports[0] == reports[1]


def test_two_processes_end_to_end(table, tmp_path):
    found = run(*command(table, tmp_path / "run", "--num-processes=2"))
    assert found.returncode == 0, found.stderr
    assert (tmp_path / "run" / "preset" / "preset.json").is_file()
    # Said once, measured once, written once.
    assert found.stderr.count("The preset is in") == 1
    rows = read_rows(tmp_path / "run" / "steps.jsonl")
    assert len(rows) == len({(row["epoch"], row["batch"]) for row in rows})
