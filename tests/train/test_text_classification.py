"""`train/text_classification.py`: it learns, resumes exactly, cross-validates.

Losses of a resumed run equal those of a run never killed bit for bit, with
dropout of words, n-grams and features on.
"""

import inspect
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from keras_selfattn import zoo
from keras_selfattn.data.text_tables import TextExample
from keras_selfattn.tasks.task import Task
from keras_selfattn.training.callbacks import read_rows
from tests.stopped_runs import stopped_at

OPTIONS = {
    "hidden_dim": 16,
    "layers": 1,
    "heads": 2,
    "epochs": 2,
    "batch_size": 8,
    "checkpoint_every": 2,
    "average": 2,
    "ngrams": "1,2",
    "ngram_buckets": 256,
    "learning_rate": 1e-2,
    "patience": 0,
}


@pytest.fixture
def script(load_script):
    return load_script("train/text_classification.py")


@pytest.fixture
def table(script, tmp_path):
    return script.write_sentences(tmp_path / "sentences.tsv", count=48)


def arguments(script, table, out, **options):
    """What `main` gives to `run`."""
    parameters = inspect.signature(script.main).parameters.values()
    values = {p.name: p.default for p in parameters} | OPTIONS
    values |= {"train": [str(table)], "out": out}
    return SimpleNamespace(**(values | options))


def steps(out):
    """What every run must agree on: all but the seconds."""
    return [
        {name: value for name, value in row.items() if name != "seconds"}
        for row in read_rows(out / "steps.jsonl")
    ]


@pytest.mark.backend
def test_an_interrupted_run_goes_on_to_the_same_losses(
    script, table, tmp_path, monkeypatch
):
    # Stopped within the three batches of a step, too.
    options = {"accumulate": 3, "layer_decay": 0.5}
    script.run(arguments(script, table, tmp_path / "whole", **options))
    expected = steps(tmp_path / "whole")
    assert len({row["loss"] for row in expected}) == len(expected) > 8

    args = arguments(script, table, tmp_path / "stopped", **options)
    with stopped_at(1, 2):
        script.run(args)
    said = []
    monkeypatch.setattr(script, "say", said.append)
    script.run(args)
    assert "Going on with epoch 1, batch 2." in said
    assert steps(tmp_path / "stopped") == expected
    weights = "preset/model.safetensors"
    assert (tmp_path / "whole" / weights).read_bytes() == (
        tmp_path / "stopped" / weights
    ).read_bytes()


def test_it_learns_and_tells_how_well(script, table, tmp_path):
    out = tmp_path / "run"
    script.run(
        arguments(
            script,
            table,
            out,
            epochs=8,
            test=[str(table)],
            class_weights=True,
            dev_share=0.25,
        )
    )
    report = json.loads((out / "report_test.json").read_text())
    assert report["accuracy"] == 1.0
    assert set(report["classes"]) == {"good", "bad"}
    dev = json.loads((out / "report_dev.json").read_text())
    assert dev["examples"] == 12
    assert dev["classes"]["good"]["support"] == 6
    assert (out / "errors_test.jsonl").read_text() == ""
    for name in ("confusion_dev.png", "confusion_test.png", "curves.png"):
        assert (out / name).stat().st_size > 5000
    task = Task.from_preset_folder(out / "preset")
    assert task.classify("so the film is lovely").label == "good"


def test_a_linear_start_already_knows(script, table, tmp_path, load_script):
    """Before the first step the n-grams decide, the encoder nothing."""
    from keras_selfattn.data.text_dataset import TextDataset

    parts = load_script("train/text_classification_model.py")
    args = arguments(script, table, tmp_path)
    examples = script.read_sets(args, args.train)
    texts = [example.text for example in examples]
    classifier = parts.build_classifier(args, ["bad", "good"], texts)
    dataset = TextDataset(examples, classifier.tokenizer, classifier.labels)
    parts.start_from_linear(classifier, dataset, 10.0)
    found = [answer.label for answer in classifier.classify(texts)]
    assert found == [example.label for example in examples]
    kernel = keras.ops.convert_to_numpy(classifier.head.kernel)
    np.testing.assert_array_equal(kernel[-2:], np.eye(2))
    assert not kernel[:-2].any()
    for options, message in (
        ({"ngram_dim": 1}, "--ngram-dim 1 is too few"),
        ({"ngrams": ""}, "needs n-grams"),
    ):
        other = arguments(script, table, tmp_path, **options)
        with pytest.raises(ValueError, match=message):
            parts.start_from_linear(
                parts.build_classifier(other, ["bad", "good"], texts),
                dataset,
                1.0,
            )


@pytest.fixture
def pairs(tmp_path):
    """A table of pairs of texts: do they name the same animal?"""
    rows = ["label\ttext\ttext2"]
    for i in range(16):
        one, other = ("cat", "dog")[i // 2 % 2], ("cat", "dog")[i % 2]
        label = "same" if one == other else "other"
        rows.append(f"{label}\tthe {one} sat\ta {other} ran , {'on ' * i}")
    (tmp_path / "pairs.tsv").write_text("\n".join(rows) + "\n")
    return tmp_path / "pairs.tsv"


FINE_TUNING = {
    "ngrams": "",
    "init": "tests/golden/checkpoints/bert",
    "pooling": "attention",
    "max_tokens": 400,
    "epochs": 1,
    "average": 1,
    "batch_size": 2,
    "accumulate": 3,
    "layer_decay": 0.5,
    "dev_share": 0.25,
}


def test_adapters_are_trained_on_pairs_from_a_checkpoint(
    script, pairs, tmp_path, repository, monkeypatch, capsys
):
    monkeypatch.chdir(repository)
    out = tmp_path / "run"
    script.run(
        arguments(script, pairs, out, **FINE_TUNING, lora_rank=2, lora_alpha=4)
    )
    assert "Adapters of rank 2 in 4 layers." in capsys.readouterr().err
    assert len(steps(out)) == 6
    with np.load(out / "checkpoint.npz") as kept:  # three batches a step
        (name,) = [key for key in kept if "iteration" in key]
        assert int(kept[name]) == 6 and any("accumul" in key for key in kept)
    task = Task.from_preset_folder(out / "preset")
    assert task.tokenizer.max_tokens == 22  # places of the encoder
    assert task.classify(("the cat sat", "a cat")).label in ("same", "other")
    assert (out / "adapters.safetensors").is_file()
    errors = (out / "errors_dev.jsonl").read_text().splitlines()
    assert all(len(json.loads(line)["text"]) == 2 for line in errors)
    # Beside the adapters, the encoder is the checkpoint's.
    theirs = zoo.load(repository / FINE_TUNING["init"]).encoder
    same = {}
    for ours, their in zip(
        task.encoder.get_layer("block_1").weights,
        theirs.get_layer("block_1").weights,
        strict=True,
    ):
        one, other = map(keras.ops.convert_to_numpy, (ours.value, their.value))
        same[ours.path] = np.allclose(one, other, atol=1e-3)
    unlike = {path for path, equal in same.items() if not equal}
    assert unlike == {
        f"block_1/attention/{n}/kernel" for n in ("query", "value")
    }


def test_pairs_are_learned_from_in_both_orders(load_script):
    sets = load_script("train/text_classification_sets.py")
    found = sets.in_both_orders(
        [
            TextExample(("one", "two"), "a", ""),
            TextExample(("three", "four"), "b", ""),
        ]
    )
    assert [(e.text, e.label) for e in found] == [
        (("one", "two"), "a"),
        (("three", "four"), "b"),
        (("two", "one"), "a"),
        (("four", "three"), "b"),
    ]
    with pytest.raises(ValueError, match="needs pairs of texts"):
        sets.in_both_orders([TextExample("one", "a", "")])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"freeze": ["block_9/"]}, "'block_9/' in its path; there are"),
        ({"freeze": ["block_0/"], "lora_rank": 2}, "leave out --freeze"),
        ({"ngrams": "1,2"}, "leave them out beside --init"),
        ({"init": "tests/golden/tiny_text"}, "received a TextClassifier"),
        ({"init": ""}, "a tokenizer with a token `end`"),
    ],
)
def test_wrong_fine_tuning_is_named(
    script, pairs, tmp_path, repository, monkeypatch, options, message
):
    monkeypatch.chdir(repository)
    args = arguments(script, pairs, tmp_path / "run", **FINE_TUNING | options)
    with pytest.raises(ValueError, match=message):
        script.run(args)


def test_cross_validation_measures_every_example_once(
    script, table, tmp_path, monkeypatch
):
    trained = []

    class Guesser:
        labels = ["bad", "good"]

    def train_one(args, folder, train, dev):
        folder.mkdir(parents=True, exist_ok=True)
        trained.append((len(train), len(dev)))
        return Guesser()

    def probabilities(_, examples, batch_size=128):
        """Right in the first fold, "good" in the others."""
        right = len(trained) == 1
        return np.array(
            [
                [0.9, 0.1] if right and e.label == "bad" else [0.2, 0.8]
                for e in examples
            ]
        )

    monkeypatch.setattr(script, "train_one", train_one)
    monkeypatch.setattr(script, "probabilities", probabilities)
    args = arguments(script, table, tmp_path / "folds", folds=4, dev_share=0.25)
    script.run(args)
    assert trained == [(27, 9)] * 4
    kept = json.loads((args.out / "folds.json").read_text())
    assert kept["folds"] == {
        "fold0": 1.0,
        "fold1": 0.5,
        "fold2": 0.5,
        "fold3": 0.5,
    }
    assert kept["mean_accuracy"] == 0.625
    assert kept["standard_deviation"] == 0.25
    report = json.loads((args.out / "report_folds.json").read_text())
    assert report["examples"] == 48
    # A finished fold is not trained again.
    (args.out / "fold3/scores.npy").unlink()
    script.run(args)
    assert len(trained) == 5


def test_fixed_folds_are_those_of_the_column_split(
    script, tmp_path, monkeypatch
):
    rows = ["split\tlabel\ttext"]
    rows += [f"fold{i % 3}\t{'ab'[i % 2]}\tx{i}" for i in range(12)]
    table = tmp_path / "t.tsv"
    table.write_text("\n".join(rows) + "\n")
    seen = []

    def train_one(args, folder, train, dev):
        folder.mkdir(parents=True)
        seen.append((folder.name, {e.split for e in train}, len(dev)))

    monkeypatch.setattr(script, "train_one", train_one)
    monkeypatch.setattr(
        script, "probabilities", lambda _, found: np.eye(2)[[0] * len(found)]
    )
    options = {"folds_by_split": True, "dev_share": 0.0}
    script.run(arguments(script, table, tmp_path / "out", **options))
    assert seen == [
        ("fold0", {"fold1", "fold2"}, 0),
        ("fold1", {"fold0", "fold2"}, 0),
        ("fold2", {"fold0", "fold1"}, 0),
    ]


def test_stops_where_the_last_epochs_brought_nothing(script):
    def history(*scores):
        return [{"dev_accuracy": score} for score in scores]

    assert not script.stop_early(history(0.5, 0.6), 2)
    assert not script.stop_early(history(0.5, 0.4, 0.6), 2)
    assert script.stop_early(history(0.5, 0.7, 0.6, 0.7), 2)
    assert not script.stop_early(history(0.5, 0.4, 0.3), 0)
    assert not script.stop_early([{"loss": 1.0}] * 5, 2)


def test_class_weights_make_classes_count_alike(load_script):
    parts = load_script("train/text_classification_model.py")
    weights = parts.class_weights(np.array([3, 1]))
    np.testing.assert_allclose(weights, [4 / 6, 2.0])


def test_every_architecture_can_be_built(script, table, tmp_path, load_script):
    parts = load_script("train/text_classification_model.py")
    for architecture in parts.ARCHITECTURES:
        args = arguments(
            script, table, tmp_path, architecture=architecture, window=0
        )
        encoder = parts.build_encoder(args, 20)
        ids = np.array([[3, 4, 0]])
        hidden = encoder({"token_ids": ids, "padding_mask": ids > 0})["hidden"]
        assert keras.ops.shape(hidden) == (1, 3, 16)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train": []}, "no --train PATH"),
        ({"architecture": "svm"}, "--architecture svm is unknown"),
        ({"label_column": "stars"}, "no label column 'stars'; it has 'label'"),
        ({"folds": 30}, "Class 'bad' has 24 examples, fewer than the 30 parts"),
        ({"folds_by_split": True}, r"over 1 fold\(s\)"),
        ({"text_column": "label", "label_column": "label", "folds": 1}, "fold"),
    ],
)
def test_bad_arguments_are_named(script, table, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        script.run(arguments(script, table, tmp_path / "out", **options))


def test_one_class_only_is_an_error(script, tmp_path):
    path = tmp_path / "one.tsv"
    path.write_text("label\ttext\n" + "good\tfine\n" * 20)
    with pytest.raises(ValueError, match="have the label good; expected two"):
        script.run(arguments(script, path, tmp_path / "out"))
