"""`benchmarks/text_classification.py`: one budget, figures from the runs."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file


@pytest.fixture
def benchmark(load_script):
    return load_script("benchmarks/text_classification.py")


def options_of(words):
    return dict(zip(words[2::2], words[3::2], strict=True))


def test_only_the_body_differs_between_architectures(benchmark, tmp_path):
    found = {
        name: options_of(
            benchmark.command("sst2", name, tmp_path, tmp_path, 6, "torch")
        )
        for name in benchmark.ARCHITECTURES
    }
    own = {"--architecture", "--hidden-dim", "--intermediate-dim", "--filters"}
    shared = [
        {name: value for name, value in options.items() if name not in own}
        for options in found.values()
    ]
    assert shared[0] == shared[1] == shared[2]
    assert shared[0]["--dev"] == f"{tmp_path}/sst2.tsv.xz:dev"
    assert {options["--architecture"] for options in found.values()} == set(
        benchmark.ARCHITECTURES
    )


def test_options_are_those_that_the_script_knows(benchmark, load_script):
    import inspect

    script = load_script("train/text_classification.py")
    known = set(inspect.signature(script.main).parameters)
    for name in benchmark.ARCHITECTURES:
        words = benchmark.command("trec6", name, "d", "o", 6, "torch")
        names = {word[2:].replace("-", "_") for word in words[2::2]}
        assert names <= known


def finished(folder):
    """A folder as a training leaves it."""
    (folder / "preset").mkdir(parents=True)
    save_file(
        {
            "encoder/token_embedding/embeddings": np.zeros((50, 4), "float16"),
            "encoder/block_0/kernel": np.zeros((3, 5), "float16"),
            "class_head/bias": np.zeros(2, "float16"),
        },
        folder / "preset/model.safetensors",
    )
    for name, accuracy in {"dev": 0.5, "test": 0.75}.items():
        report = {"accuracy": accuracy, "macro": {"f1": 0.7}, "examples": 8}
        (folder / f"report_{name}.json").write_text(json.dumps(report))
    (folder / "steps.jsonl").write_text('{"seconds": 1.5}\n' * 4)


def test_figures_are_read_from_what_a_run_left(benchmark, tmp_path):
    finished(tmp_path / "run")
    assert benchmark.result_of(tmp_path / "run") == {
        "dev_accuracy": 0.5,
        "test_accuracy": 0.75,
        "test_macro_f1": 0.7,
        "test_examples": 8,
        "body_parameters": 17,
        "steps": 4,
    }


def test_keeps_all_figures_of_finished_runs(benchmark, tmp_path):
    from typer.testing import CliRunner

    for dataset in benchmark.SETS:
        for name in benchmark.ARCHITECTURES:
            finished(tmp_path / f"{dataset}_{name}")
    app = benchmark.typer.Typer()
    app.command()(benchmark.main)
    words = ["--data", "d", "--work", str(tmp_path)]
    words += ["--json", str(tmp_path / "result.json")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    kept = json.loads((tmp_path / "result.json").read_text())
    assert set(kept["sets"]) == {"trec6", "sst2"}
    assert kept["sets"]["sst2"]["rnn"]["body_parameters"] == 17
    assert "$KERAS_SELFATTN_DATA" in kept["command"]
