"""`train/prepare.py`, and what the training scripts do with what it made.

A run from shards that was stopped goes on to the same losses, bit for bit.
"""

import inspect
import os
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import keras
import pytest

from keras_selfattn.data.shards import ShardedCorpus
from keras_selfattn.training.callbacks import read_rows
from tests.stopped_runs import stopped_at

pytest.importorskip("array_record")


@pytest.fixture
def prepare(load_script):
    return load_script("train/prepare.py")


@pytest.fixture
def scripts(load_script):
    names = ("asr", "text_classification", "translation")
    return {name: load_script(f"train/{name}.py") for name in names}


def arguments(script, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters}
    return SimpleNamespace(**(values | options))


def prepared(prepare, out, **options):
    prepare.run(arguments(prepare, out=out, processes=1, **options))
    return f"{out.parent}:{out.name}"


ASR = {
    "architecture": "smoke",
    "epochs": 2,
    "batch_seconds": 4.0,
    "warmup_steps": 4,
    "dropout": 0.2,
    "augment_from_epoch": 1,
    "spec_augment_from_epoch": 1,
    "babble_probability": 0.5,
    "checkpoint_every": 2,
    "average": 2,
}


def steps(out):
    """What every run must agree on: all but the times."""
    return [
        {name: row[name] for name in ("epoch", "batch", "loss")}
        for row in read_rows(out / "steps.jsonl")
    ]


@pytest.mark.slow
@pytest.mark.backend
def test_a_stopped_training_from_shards_goes_on_to_the_same_losses(
    prepare, scripts, tmp_path, monkeypatch
):
    asr = scripts["asr"]
    tones = asr.write_tones(tmp_path / "tones", count=16)
    entry = prepared(
        prepare, tmp_path / "made/train", speech=[tones], shard_examples=3
    )
    options = {**ASR, "train": [entry], "dev": [tones]}
    asr.run(arguments(asr, out=tmp_path / "whole", **options))
    expected = steps(tmp_path / "whole")
    assert len(expected) >= 8

    args = arguments(asr, out=tmp_path / "stopped", **options)
    with stopped_at(1, 2):
        asr.run(args)
    keras.utils.set_random_seed(7)
    said = []
    monkeypatch.setattr(asr, "say", said.append)
    asr.run(args)
    assert "Going on with epoch 1, batch 2." in said
    assert steps(tmp_path / "stopped") == expected


def test_texts_and_pairs_are_trained_on(
    prepare, scripts, tmp_path, monkeypatch
):
    script = scripts["text_classification"]
    table = str(script.write_sentences(tmp_path / "s.tsv", count=48))
    texts = prepared(
        prepare, tmp_path / "texts/train", texts=[table], shard_examples=10
    )
    small = {"hidden_dim": 16, "layers": 1, "heads": 2, "epochs": 1}
    options = {**small, "dev": [table], "batch_size": 8, "class_weights": True}
    args = arguments(script, train=[texts], out=tmp_path / "t", **options)
    script.run(args)
    assert len(steps(args.out)) == 6 and (args.out / "preset").is_dir()

    script = scripts["translation"]
    sums = script.write_sums(tmp_path / "sums.tsv", count=48)
    pairs = prepared(
        prepare, tmp_path / "pairs/train", pairs=[sums], shard_examples=10
    )
    options = {**script.SMOKE, "max_steps": 0, "swap": True}
    args = arguments(script, train=[pairs], out=tmp_path / "p", **options)
    script.run(args)
    assert len(steps(args.out)) > 4 and (args.out / "preset").is_dir()

    # Each script takes its own kind only, and not what needs examples.
    with pytest.raises(ValueError, match="holds texts; expected pairs"):
        script.run(arguments(script, train=[texts], out=tmp_path / "x"))
    with pytest.raises(ValueError, match="--segmentations need pairs in mem"):
        script.run(
            arguments(
                script, train=[pairs], out=tmp_path / "x", segmentations=2
            )
        )
    script = scripts["text_classification"]
    with pytest.raises(ValueError, match="name --dev"):
        script.run(arguments(script, train=[texts], out=tmp_path / "x"))


def test_unlike_corpora_and_unfinished_ones_are_refused(
    prepare, scripts, tmp_path
):
    asr = scripts["asr"]
    tones = asr.write_tones(tmp_path / "tones", count=4)
    entry = prepared(prepare, tmp_path / "made/train", speech=[tones])
    run = {"out": tmp_path / "run", "architecture": "smoke"}
    with pytest.raises(ValueError, match="is not a prepared corpus"):
        asr.run(arguments(asr, train=[entry, tones], **run))
    with pytest.raises(ValueError, match="only --train takes"):
        asr.run(arguments(asr, train=[tones], dev=[entry], **run))
    (tmp_path / "made/train/index.json").unlink()
    with pytest.raises(ValueError, match="not prepared to its end"):
        asr.run(arguments(asr, train=[entry], **run))


def test_one_kind_of_corpus_is_prepared_at_a_time(prepare, tmp_path):
    for options in ({}, {"speech": ["a:b"], "texts": ["c"]}):
        with pytest.raises(ValueError, match="expected one of --speech"):
            prepare.run(arguments(prepare, out=tmp_path, **options))


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on(scripts, repository, tmp_path):
    """Real processes; the same bytes as a run that was never killed."""
    tones = scripts["asr"].write_tones(tmp_path / "tones", count=40)

    def command(out):
        return [
            *(sys.executable, str(repository / "train/prepare.py")),
            *("--speech", tones, "--out", str(out), "--shard-examples", "2"),
        ]

    environment = {**os.environ, "PYTHONPATH": str(repository)}
    subprocess.run(command(tmp_path / "whole"), env=environment, check=True)
    out, kills = tmp_path / "killed", 0
    for number in (1, 8, 15):
        process = subprocess.Popen(
            command(out), env=environment, start_new_session=True
        )
        while process.poll() is None:
            if len(list(out.glob("*.note.json"))) >= number:
                os.killpg(process.pid, signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.001)
        process.wait()
        # Most of it was still to come; the last kill may come too late.
        assert number > 1 or not (out / "index.json").exists()
    assert kills
    subprocess.run(command(out), env=environment, check=True)
    assert len(ShardedCorpus(out).counts) == 20
    whole = {p.name: p.read_bytes() for p in (tmp_path / "whole").iterdir()}
    for name, data in whole.items():
        assert (out / name).read_bytes() == data, name
