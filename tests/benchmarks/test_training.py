import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/training.py")


@pytest.fixture
def systems(load_script):
    return load_script("benchmarks/training_systems.py")


def run(bench, *options):
    app = bench.typer.Typer()
    app.command()(bench.main)
    return CliRunner().invoke(app, [str(option) for option in options])


def test_a_ratio_is_the_median_within_turns(bench):
    # The machine slowed down for both in the second turn.
    size = {"parameters": 10, "tokens": 100}
    facts = {"ours": size, "keras_hub": size}
    found = bench.compare(
        {"ours": [1.0, 10.0, 2.0], "keras_hub": [2.0, 20.0, 8.0]}, facts
    )
    assert found["faster"] == {"keras_hub": 2.0}
    assert found["systems"]["ours"]["tokens_per_second"] == 50.0
    assert found["systems"]["keras_hub"]["parameters"] == 10


def test_the_table_says_how_to_install_what_is_absent(bench):
    out = io.StringIO()
    facts = {"ours": {"parameters": 3000, "tokens": 100}}
    row = {
        "backend": "jax",
        "missing": {"keras_hub": "keras-hub is not installed: pip install x"},
        **bench.compare({"ours": [0.5]}, facts),
    }
    bench.show([row], Console(file=out, width=160))
    assert "3,000" in out.getvalue() and "200" in out.getvalue()
    assert "pip install x" in out.getvalue()


def test_an_unknown_backend_is_refused(bench):
    result = run(bench, "--backend", "mxnet")
    assert result.exit_code == 2 and "--backend mxnet" in result.output


def test_all_systems_are_of_one_shape_and_learn(bench, systems):
    """The same parameters but for what BertModel has besides, and a step
    lowers the loss; else the comparison would be of unlike things."""
    sizes, batch, length = (
        bench.QUICK[key] for key in ("sizes", "batch", "length")
    )
    ids, labels = systems.arrays(sizes, batch, length)
    assert (ids[0] > 0).all() and (ids[-1] == 0).sum() == length // 2
    server, counts = systems.Server(), {}
    for name in bench.SYSTEMS:
        found = server.prepare(name, sizes, batch, length)
        if "missing" in found:
            assert "pip install" in found["missing"]
            continue
        counts[name] = found["parameters"]
        assert found["losses"][1] < found["losses"][0]
        assert found["tokens"] == 12
        assert server.time()["seconds"] > 0
    extra = (length + 2 + 2) * sizes["hidden_dim"]  # places, segments, a norm
    if "transformers" in counts:
        counts["transformers"] -= extra
    assert len(set(counts.values())) == 1, counts


@pytest.mark.slow
def test_it_runs_with_tiny_sizes(bench, tmp_path):
    kept = tmp_path / "new/training.json"
    result = run(
        bench, "--quick", "--backend", "torch", "--threads", 1, "--json", kept
    )
    assert result.exit_code == 0, result.output
    found = json.loads(kept.read_text())
    assert "--quick" in found["run"]["command"]
    (row,) = found["rows"]
    assert set(row["systems"]) | set(row["missing"]) == set(bench.SYSTEMS)
    assert row["faster"]["torch_encoder"] > 0
    assert row["systems"]["ours"]["repetitions"] >= 2
