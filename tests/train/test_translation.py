"""`train/translation.py`: it learns, and a stopped run goes on exactly.

Killing a process at any moment is tested with `train/asr.py`, which shares
all of that with this script (`training/epoch_runs.py`).
"""

import inspect
import json
from types import SimpleNamespace

import keras
import pytest

from keras_selfattn.data.parallel_corpora import read_parallel
from keras_selfattn.tasks import Translator
from keras_selfattn.tasks.task import Task
from keras_selfattn.training.callbacks import read_rows
from tests.stopped_runs import stopped_at

OPTIONS = {
    "vocabulary": 40,
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "intermediate_dim": 16,
    "dropout": 0.2,
    "epochs": 2,
    "batch_tokens": 128,
    "length_multiple": 16,
    "warmup_steps": 4,
    "checkpoint_every": 3,
    "average": 2,
    "beam": 2,
}


@pytest.fixture
def translation(load_script):
    return load_script("train/translation.py")


@pytest.fixture
def sums(translation, tmp_path):
    return translation.write_sums(tmp_path / "sums.tsv", count=48)


def arguments(translation, sums, out, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(translation.main).parameters.values()
    values = {p.name: p.default for p in parameters} | OPTIONS
    values |= {"train": [sums], "dev": [], "out": out}
    return SimpleNamespace(**(values | options))


def steps(out):
    """What every run must agree on: all but the seconds."""
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read_rows(out / "steps.jsonl")
    ]


@pytest.mark.slow
@pytest.mark.backend
def test_a_stopped_run_goes_on_to_the_same_losses(
    translation, sums, tmp_path, monkeypatch
):
    translation.run(arguments(translation, sums, tmp_path / "whole"))
    expected = steps(tmp_path / "whole")
    assert len(expected) > 8
    assert len({row["loss"] for row in expected}) == len(expected)

    args = arguments(translation, sums, tmp_path / "stopped")
    with stopped_at(1, 3):
        translation.run(args)
    said = []
    monkeypatch.setattr(translation, "say", said.append)
    translation.run(args)
    assert "Going on with epoch 1, batch 3." in said
    assert steps(tmp_path / "stopped") == expected
    name = "preset/model.safetensors"
    one, other = (tmp_path / run / name for run in ("whole", "stopped"))
    assert one.read_bytes() == other.read_bytes()


def test_smoke_gives_scores_and_a_preset_that_translates(
    translation, sums, tmp_path, monkeypatch
):
    said = []
    monkeypatch.setattr(translation, "say", said.append)
    dev = translation.write_sums(tmp_path / "dev.tsv", count=5)
    out = tmp_path / "run"
    translation.run(
        arguments(translation, sums, out, smoke=True, dev=[dev], swap=True)
    )
    rows = [json.loads(line) for line in said if line.startswith("{")]
    assert rows[0]["epoch"] == 0
    assert rows[0]["dev_signature"].startswith("nrefs:1|case:mixed")
    assert [row["beam"] for row in rows[1:]] == [1, 2]
    assert {"dev_bleu", "dev_bleu_lower", "dev_chrf", "dev_overlap"} <= set(
        rows[1]
    )
    assert sum(line.startswith("    > ") for line in said) == 5 + 1 + 1
    assert len(steps(out)) == 2
    assert (out / "curves.png").stat().st_size > 1000
    task = Task.from_preset_folder(out / "preset")
    assert type(task) is Translator
    assert isinstance(task.translate("3 2 1"), str)
    # It is asked for nothing longer than it has seen.
    assert 6 <= task.max_source_tokens < 30
    assert task.max_target_tokens == 2 * task.max_source_tokens + 10


def test_folds_hold_out_each_part_once(translation, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(translation, "say", said.append)
    entry = translation.write_sums(tmp_path / "train.tsv", count=60)
    args = arguments(
        translation, entry, tmp_path / "run", folds=2, epochs=1, average=1
    )
    translation.run(args)
    summary = json.loads(said[-1])
    assert summary["folds"] == 2
    assert 0 <= summary["dev_chrf"] <= 100
    assert summary["dev_chrf_deviation"] >= 0
    for fold in range(2):
        assert (tmp_path / f"run/fold_{fold}/preset/preset.json").is_file()


def test_the_loss_goes_down(translation, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr(translation, "say", said.append)
    entry = translation.write_sums(tmp_path / "train.tsv", count=200)
    args = arguments(
        translation,
        entry,
        tmp_path / "run",
        dropout=0.0,
        epochs=3,
        learning_rate=1e-2,
        average=1,
        schedule="cosine",
    )
    translation.run(args)
    rows = [json.loads(line) for line in said if line.startswith("{")]
    losses = [row["loss"] for row in rows if "loss" in row]
    assert losses[2] < losses[1] < losses[0]
    assert losses[2] < 0.8 * losses[0]


def test_two_files_and_separate_vocabularies(translation, tmp_path):
    (tmp_path / "a.en").write_text("one two\ntwo one\n" * 9, "utf8")
    (tmp_path / "a.de").write_text("eins zwei\nzwei eins\n" * 9, "utf8")
    entry = f"{tmp_path / 'a.en'},{tmp_path / 'a.de'}"
    pairs = read_parallel([entry])
    args = arguments(
        translation, entry, tmp_path, target_vocabulary=13, vocabulary=12
    )
    tokenizers = translation.make_tokenizers(args, pairs)
    task = translation.build_translator(args, tokenizers)
    assert task.writer is tokenizers[1] is not task.tokenizer
    assert [part.vocabulary_size for part in tokenizers] == [12, 13]
    # What the run's folder keeps is taken the next time.
    again = translation.make_tokenizers(args, [])
    assert [part.vocabulary for part in again] == [
        part.vocabulary for part in tokenizers
    ]


def test_chinese_sources_are_read_in_either_script(translation, tmp_path):
    pytest.importorskip("opencc")
    (tmp_path / "a.zh").write_text("我們說\n我们说\n说们\n" * 9, "utf8")
    (tmp_path / "a.en").write_text("we say\nwe say\nsay\n" * 9, "utf8")
    entry = f"{tmp_path / 'a.zh'},{tmp_path / 'a.en'}"
    args = arguments(
        translation,
        entry,
        tmp_path,
        target_vocabulary=11,
        vocabulary=9,
        simplify_chinese=True,
    )
    tokenizers = translation.make_tokenizers(args, read_parallel([entry]))
    assert tokenizers[0].encode("我們說") == tokenizers[0].encode("我们说")
    assert not {"們", "說"} & set("".join(tokenizers[0].vocabulary))
    assert tokenizers[1].replacements is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": []}, "no --train TABLE:SPLIT"),
        ({"train": ["sums"]}, "'sums': expected TABLE:SPLIT, or SOURCE,TARGET"),
        ({"folds": 1}, "--folds 1 holds parts"),
        ({"schedule": "step"}, "--schedule step is unknown"),
        ({"init": "none.safetensors"}, "none.safetensors is not a readable"),
    ],
)
def test_bad_arguments_are_named(translation, sums, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        translation.run(
            arguments(translation, sums, tmp_path / "out", **options)
        )


def test_keras_knows_the_seeds(translation, sums, tmp_path):
    """Two seeds are two trainings."""
    args = arguments(translation, sums, tmp_path / "a", max_steps=1, epochs=1)
    translation.run(args)
    keras.utils.clear_session()
    args = arguments(
        translation, sums, tmp_path / "b", max_steps=1, epochs=1, seed=1
    )
    translation.run(args)
    assert steps(tmp_path / "a") != steps(tmp_path / "b")
