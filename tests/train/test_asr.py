"""`train/asr.py`: it learns, and a killed run goes on as if it had not been.

Losses of a resumed run equal those of a run never killed bit for bit, on
every backend (on a CPU, with one thread), with dropout, SpecAugment, speed
perturbation, noise and gain all on.
"""

import inspect
import os
import pty
import signal
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import soundfile

from keras_selfattn.tasks import SpeechRecognizer
from keras_selfattn.tasks.task import Task
from keras_selfattn.training.callbacks import read_rows
from keras_selfattn.training.epoch_runs import fit_epoch
from tests.stopped_runs import stopped_at

# Everything random is on in the second epoch. Few lengths, few compilations.
OPTIONS = {
    "architecture": "smoke",
    "epochs": 2,
    "batch_seconds": 4.0,
    "warmup_steps": 4,
    "dropout": 0.2,
    "augment_from_epoch": 1,
    "spec_augment_from_epoch": 1,
    "checkpoint_every": 3,
    "average": 2,
}

# And with chunks, whose sizes are drawn, too, and which learn from the whole.
CHUNKS = {"chunk_frames": [2, 5], "left_frames": 6, "distill": 0.5}

TIMEOUT_S = 1200  # of one child, on a busy machine; alone it takes ten


@pytest.fixture
def asr(load_script):
    return load_script("train/asr.py")


@pytest.fixture
def tones(asr, tmp_path):
    return asr.write_tones(tmp_path / "tones", count=16)


def arguments(asr, tones, out, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(asr.main).parameters.values()
    values = {p.name: p.default for p in parameters} | OPTIONS
    values |= {"train": [tones], "dev": [tones], "out": out}
    values |= {"noise": tones.rpartition(":")[0]}
    return SimpleNamespace(**(values | options))


def command(repository, tones, out, **options):
    values = {"out": out, "train": tones} | OPTIONS | options
    values |= {"noise": tones.rpartition(":")[0]}
    words = [sys.executable, str(repository / "train/asr.py")]
    for name, value in values.items():
        for one in value if isinstance(value, list) else [value]:
            words += [f"--{name.replace('_', '-')}", str(one)]
    return words


def environment(repository):
    """A checkout's scripts find its package, installed or not."""
    return {**os.environ, "PYTHONPATH": str(repository)}


def steps(out):
    """What every run must agree on: all but the seconds."""
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read_rows(out / "steps.jsonl")
    ]


def test_an_interrupted_run_goes_on_to_the_same_losses(
    asr, tones, tmp_path, monkeypatch
):
    asr.run(arguments(asr, tones, tmp_path / "whole", **CHUNKS))
    expected = steps(tmp_path / "whole")
    assert len(expected) > 8
    assert len({row["loss"] for row in expected}) == len(expected)

    # Stopped in the second epoch, one step behind a checkpoint.
    args = arguments(asr, tones, tmp_path / "stopped", **CHUNKS)
    with stopped_at(1, 3):
        asr.run(args)
    stopped = steps(tmp_path / "stopped")
    assert stopped[-1] == expected[len(stopped) - 1]
    assert stopped[-1]["epoch"] == 1
    said = []
    monkeypatch.setattr(asr, "say", said.append)
    asr.run(args)
    assert "Going on with epoch 1, batch 3." in said
    assert any('"stream_dev_wer"' in line for line in said)
    assert steps(tmp_path / "stopped") == expected
    assert same_weights(tmp_path / "whole", tmp_path / "stopped")


def same_weights(one, other):
    name = "preset/model.safetensors"
    return (one / name).read_bytes() == (other / name).read_bytes()


def test_a_run_stopped_behind_an_epochs_last_step_goes_on(
    asr, tones, tmp_path, monkeypatch
):
    """The checkpoint of the last step is there, the epoch's end is not."""
    args = arguments(
        asr, tones, tmp_path / "out", epochs=1, checkpoint_every=1, average=1
    )

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(asr.DevSet, "rates", stop)
        with pytest.raises(KeyboardInterrupt):
            asr.run(args)
    before = steps(args.out)
    said = []
    monkeypatch.setattr(asr, "say", said.append)
    args.workers = 2
    asr.run(args)
    assert said[-1].endswith("preset.") and "Note: workers was 1" in str(said)
    assert f"Going on with epoch 0, batch {len(before)}." in said
    assert steps(args.out) == before
    mean = np.mean([row["loss"] for row in before])
    assert f'"loss": {mean:.6f}'[:14] in "".join(said)
    assert (args.out / "preset/preset.json").is_file()


@pytest.mark.slow
@pytest.mark.backend
def test_the_loss_goes_down_in_one_epoch_on_twenty_utterances(asr, tmp_path):
    args = arguments(
        asr,
        asr.write_tones(tmp_path / "tones", count=20),
        tmp_path,
        batch_seconds=2.0,
        learning_rate=5e-3,
        augment_from_epoch=9,
        spec_augment_from_epoch=9,
    )
    keras.utils.set_random_seed(0)
    examples = [example for example, _ in asr.read_corpora(args.train)]
    assert len(examples) == 20
    recognizer = asr.build_recognizer(args, [])
    dataset = asr.read_dataset(args, recognizer, examples)
    dataset.set_epoch(0)
    asr.compile_recognizer(args, recognizer, len(dataset))
    before = recognizer.evaluate(dataset.for_backend(), verbose=0)
    asr.choose_spec_augment(args, recognizer, 0)
    row = fit_epoch(recognizer, dataset, tmp_path, 0)
    dataset.set_epoch(0)
    after = recognizer.evaluate(dataset.for_backend(), verbose=0)
    assert after < 0.7 * before
    assert after < row["loss"] < before


@pytest.mark.slow
def test_smoke_gives_a_preset_that_loads_and_transcribes(repository, tmp_path):
    screen, stdout = pty.openpty()
    done = subprocess.run(
        [
            sys.executable,
            str(repository / "train/asr.py"),
            "--smoke",
            "--out",
            str(tmp_path / "run"),
            "--backend",
            keras.backend.backend(),
            "--chunk-frames",
            "4",
        ],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(repository),
        text=True,
        timeout=TIMEOUT_S,
    )
    os.close(stdout)
    assert done.returncode == 0, done.stderr
    assert f"parameters, {keras.backend.backend()}." in done.stderr
    shown = os.read(screen, 1 << 16).decode()
    os.close(screen)
    assert "2/2" in shown and "loss" in shown  # the progress bar
    assert len(steps(tmp_path / "run")) == 2
    assert (tmp_path / "run/curves.png").stat().st_size > 1000
    task = Task.from_preset_folder(tmp_path / "run/preset")
    assert type(task) is SpeechRecognizer
    heard = task.transcribe(tmp_path / "run/tones/0.wav")
    assert isinstance(heard, str)
    samples, _ = soundfile.read(tmp_path / "run/tones/0.wav", dtype="float32")
    assert task.transcribe(samples) == heard
    assert task.chunk_frames == 4
    assert isinstance(task.transcribe(samples, chunk_frames=4), str)


# Runs a script that kills itself, without a word, when so many steps are done.
KILLED_IN_STEP = """
import os, runpy, signal, sys
from keras_selfattn.training.callbacks import StepLog

_, last, *sys.argv = sys.argv
sys.path.insert(0, os.path.dirname(sys.argv[0]))
log, steps = StepLog.on_train_batch_end, []

def kill(self, batch, logs=None):
    log(self, batch, logs)
    steps.append(batch)
    if len(steps) == int(last):
        os.kill(os.getpid(), signal.SIGKILL)

StepLog.on_train_batch_end = kill
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.backend
@pytest.mark.slow
def test_a_run_killed_in_an_epoch_goes_on_to_the_same_losses(
    repository, tones, tmp_path
):
    choice = {"augment_from_epoch": 0, "spec_augment_from_epoch": 0}
    choice |= {"backend": keras.backend.backend(), **CHUNKS}
    whole = command(repository, tones, tmp_path / "whole", **choice)
    options = {"env": environment(repository), "text": True}
    subprocess.run(
        whole, check=True, capture_output=True, timeout=TIMEOUT_S, **options
    )
    expected = steps(tmp_path / "whole")

    killed = command(repository, tones, tmp_path / "killed", **choice)
    python, *words = killed
    done = subprocess.run(
        [python, "-c", KILLED_IN_STEP, str(len(expected) // 2 + 1), *words],
        capture_output=True,
        timeout=TIMEOUT_S,
        **options,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "killed/checkpoint.npz").is_file()
    assert not (tmp_path / "killed/preset").exists()
    done = subprocess.run(
        killed, check=True, capture_output=True, timeout=TIMEOUT_S, **options
    )
    assert "Going on with epoch" in done.stderr
    assert steps(tmp_path / "killed") == expected
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": []}, "no --train FOLDER:SPLIT"),
        ({"train": ["tones"]}, "'tones': expected FOLDER:SPLIT"),
        ({"architecture": "lstm"}, "--architecture lstm is unknown"),
        ({"init": "none.safetensors"}, "none.safetensors is not a readable"),
        ({"chunk_frames": [0]}, "ints >= 1"),
    ],
)
def test_bad_arguments_are_named(asr, tones, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        asr.run(arguments(asr, tones, tmp_path / "out", **options))
