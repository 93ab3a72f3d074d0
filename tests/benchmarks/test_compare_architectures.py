import json
import lzma

import numpy as np
import pytest
from typer.testing import CliRunner

TEXTS = {
    "pos": "a fine film , one of the best I ever saw !",
    "neg": "a dull film , and one that never ends .",
}


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/compare_architectures.py")


@pytest.fixture
def systems(load_script):
    return load_script("benchmarks/compare_architectures_systems.py")


@pytest.fixture
def data(tmp_path):
    """A folder with an IMDB of 80 + 30 rows."""
    path = tmp_path / "data/classification/imdb.tsv.xz"
    path.parent.mkdir(parents=True)
    rows = ["split\tlabel\ttext"]
    for split, count in (("train", 40), ("test", 15)):
        for label, text in TEXTS.items():
            rows += [f"{split}\t{label}\t{text} {i}" for i in range(count)]
    with lzma.open(path, "wt", encoding="utf8") as file:
        file.write("\n".join(rows) + "\n")
    return tmp_path / "data"


def run(bench, *options):
    app = bench.typer.Typer()
    app.command()(bench.main)
    return CliRunner().invoke(app, [str(option) for option in options])


def test_reviews_become_ids_of_words_of_the_training_texts(bench, data):
    plan = bench.chosen_plan(quick=True)["imdb"]
    arrays, task = bench.imdb_task(data, plan, seed=0)
    assert arrays["train_ids"].shape == (64, 32)
    assert arrays["test_ids"].shape == (24, 32)
    assert set(arrays["test_labels"]) == {0, 1}
    assert task["num_classes"] == 2 and not task["per_token"]
    assert arrays["train_ids"].max() < task["vocabulary_size"] <= 200
    again, _ = bench.imdb_task(data, plan, seed=0)
    other, _ = bench.imdb_task(data, plan, seed=1)
    assert (arrays["train_ids"] == again["train_ids"]).all()
    assert (arrays["train_ids"] != other["train_ids"]).any()


def test_recall_is_tested_on_other_sequences_than_it_is_trained_on(bench):
    plan = bench.chosen_plan(quick=True)["recall"]
    arrays, task = bench.recall_task(plan, seed=0)
    train = {row.tobytes() for row in arrays["train_ids"]}
    assert not train & {row.tobytes() for row in arrays["test_ids"]}
    assert arrays["train_ids"].max() < task["vocabulary_size"]
    assert arrays["test_labels"].max() < task["num_classes"]
    assert (
        (arrays["test_distances"] > 0) == (arrays["test_labels"] >= 0)
    ).all()


@pytest.mark.parametrize("per_token", [False, True])
def test_bodies_weigh_nearly_the_same(bench, systems, per_token):
    plan = bench.chosen_plan()
    task = {
        "vocabulary_size": 50,
        "num_classes": 16 if per_token else 2,
        "per_token": per_token,
    }
    length = plan["recall" if per_token else "imdb"]["length"]
    bodies = {
        name: systems.parameters(
            systems.build(name, length, task, plan["sizes"])
        )["body_parameters"]
        for name in plan["architectures"]
    }
    least, most = min(bodies.values()), max(bodies.values())
    assert most / least < 1.2, bodies


@pytest.mark.parametrize(
    "name",
    ["attention", "low_rank", "nystrom", "local", "hierarchical", "cnn", "rnn"],
)
def test_each_architecture_trains_on_both_tasks(bench, systems, tmp_path, name):
    assert name in bench.TITLES
    plan = bench.chosen_plan(quick=True)
    rng = np.random.default_rng(0)
    reviews = {
        f"{split}_{kind}": values
        for split in ("train", "test")
        for kind, values in (
            ("ids", rng.integers(0, 20, (16, 32)).astype("int32")),
            ("labels", rng.integers(0, 2, 16).astype("int32")),
        )
    }
    recall, recall_task = bench.recall_task(plan["recall"], seed=0)
    tasks = {
        "imdb": (
            reviews,
            {"vocabulary_size": 20, "num_classes": 2, "per_token": False},
        ),
        "recall": (recall, recall_task),
    }
    for task_name, (arrays, task) in tasks.items():
        np.savez(tmp_path / "arrays.npz", **arrays)
        budget = {**plan[task_name], "steps": 2}
        found = systems.train(
            name, tmp_path / "arrays.npz", task, plan["sizes"], budget, seed=0
        )
        assert 0 <= found["accuracy"] <= 1
        assert found["tested"] == (arrays["test_labels"] >= 0).sum()
        assert found["train_seconds"] > 0
        assert all(np.isfinite(loss) for _, loss, _ in found["curve"])
        assert ("by_distance" in found) == (task_name == "recall")


def test_padding_changes_no_answer(bench, systems):
    plan = bench.chosen_plan(quick=True)
    task = {"vocabulary_size": 9, "num_classes": 2, "per_token": False}
    ids = np.zeros((1, 32), "int32")
    ids[:, :16] = 1 + np.arange(16) % 8
    for name in ("attention", "local", "hierarchical", "cnn", "rnn"):
        systems.keras.utils.set_random_seed(0)
        short = systems.build(name, 16, task, plan["sizes"])
        long = systems.build(name, 32, task, plan["sizes"])
        long.set_weights(short.get_weights())
        np.testing.assert_allclose(
            systems.ops.convert_to_numpy(long(ids)),
            systems.ops.convert_to_numpy(short(ids[:, :16])),
            atol=1e-5,
            err_msg=name,
        )


def test_steps_are_timed_and_their_memory_is_known(bench, systems):
    plan = bench.chosen_plan(quick=True)
    task = {"vocabulary_size": 9, "num_classes": 2, "per_token": False}
    steps = systems.Steps()
    sizes = steps.prepare("attention", 32, task, plan["sizes"], batch=1)
    assert sizes["parameters"] > sizes["body_parameters"] > 60000
    assert 0 < steps.time()["seconds"] < 60
    peak = steps.peak()["bytes"]
    assert peak is None or 0 <= peak < 2**30


def test_accuracy_by_distance_puts_every_answer_into_one_bin(systems):
    distances = np.repeat([1, 5, 9, 20], 25)
    right = distances < 9
    found = systems.by_distance(right, distances, bins=4)
    assert sum(count for *_, count in found) == 100
    assert found[0][:2] == [1.0, 1.0] and found[-1][1] == 0.0


def test_only_tokens_with_a_label_count(systems):
    labels = np.array([[-1, 1], [0, -1]])
    logits = np.zeros((2, 2, 3), "float32")
    logits[0, 1, 1] = logits[1, 0, 0] = 20.0
    logits[0, 0, 2] = logits[1, 1, 2] = 50.0
    assert float(systems.loss(labels, logits)) < 1e-3
    logits[0, 1] = [20.0, 0.0, 0.0]
    assert float(systems.loss(labels, logits)) == pytest.approx(10.0, abs=0.1)


@pytest.mark.slow
def test_it_runs_with_tiny_sizes(bench, data, tmp_path):
    kept = tmp_path / "new/compare.json"
    common = ("--quick", "--backend", "torch", "--json", kept)
    both = ("--architecture", "local", "--architecture", "cnn")
    result = run(
        bench, *common, *both, *("--part", "recall", "--part", "growth")
    )
    assert result.exit_code == 0, result.output
    assert "local attention" in result.output
    found = json.loads(kept.read_text())
    assert list(found["tasks"]) == ["recall"]
    assert list(found["tasks"]["recall"]) == ["local", "cnn"]
    assert [row["length"] for row in found["growth"]] == [32]
    for row in found["growth"]:
        assert set(row["systems"]) == {"local", "cnn"}, row["failed"]
    for name in ("compare_accuracy.png", "compare_length.png"):
        assert (tmp_path / "new" / name).stat().st_size > 1000
    # Another part, run later, goes beside what is there.
    part = ("--part", "imdb", "--data", data, "--architecture", "cnn")
    assert run(bench, *common, *part).exit_code == 0
    again = json.loads(kept.read_text())
    assert again["tasks"].pop("imdb")["cnn"]["tested"] == 24
    command = again["runs"].pop("imdb")["command"]
    assert "$KERAS_SELFATTN_DATA" in command and "--part imdb" in command
    assert again == found and str(data) not in kept.read_text()


def test_what_fails_is_told_and_the_others_go_on(bench, monkeypatch, tmp_path):
    script = tmp_path / "systems.py"
    script.write_text(
        "from keras_selfattn import measuring\n"
        "def train(architecture, **rest):\n"
        "    if architecture == 'rnn':\n"
        "        raise ValueError('too long')\n"
        "    return {'accuracy': 0.5, 'parameters': 2, "
        "'body_parameters': 1, 'train_seconds': 1.0}\n"
        "measuring.serve({'train': train})\n"
    )
    monkeypatch.setattr(bench, "SYSTEMS", script)
    result = run(
        bench,
        *("--quick", "--part", "recall", "--json", tmp_path / "out.json"),
        *("--architecture", "cnn", "--architecture", "rnn"),
    )
    assert result.exit_code == 1
    assert "ValueError: too long" in result.output
    tasks = json.loads((tmp_path / "out.json").read_text())["tasks"]
    assert tasks["recall"]["cnn"]["accuracy"] == 0.5
    assert (tmp_path / "out_accuracy.png").is_file()


@pytest.mark.parametrize(
    "options, message",
    [
        (["--architecture", "mamba"], "unknown: mamba"),
        (["--part", "sst2"], "unknown: sst2"),
        (["--part", "imdb", "--data", "/none"], "is missing"),
    ],
)
def test_wrong_options_are_refused(bench, options, message):
    result = run(bench, "--quick", *options)
    assert result.exit_code == 2
    assert message in result.output.replace("\n", " ")


def test_imdb_asks_for_its_folder(bench, monkeypatch):
    monkeypatch.delenv("KERAS_SELFATTN_DATA", raising=False)
    result = run(bench, "--quick")
    assert result.exit_code == 2
    assert "give --data" in result.output
