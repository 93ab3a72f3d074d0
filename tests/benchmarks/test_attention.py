import io
import json

import pytest
from rich.console import Console
from typer.testing import CliRunner


@pytest.fixture
def bench(load_script):
    return load_script("benchmarks/attention.py")


def run(bench, *options):
    app = bench.typer.Typer()
    app.command()(bench.main)
    return CliRunner().invoke(app, [str(option) for option in options])


def entry(seconds, peak=None):
    return {
        "median_s": seconds,
        "low_s": seconds,
        "high_s": seconds,
        "repetitions": 3,
        "peak_bytes": peak,
    }


def long_row(length, seconds, peak, backend="torch", direction="both"):
    return {
        "backend": backend,
        "length": length,
        "direction": direction,
        "missing": {},
        "systems": {"local": entry(seconds, peak)},
        "times_local": {"local": 1.0},
    }


def test_a_ratio_is_the_median_within_turns(bench):
    # The machine slowed down for both in the second turn.
    assert bench.ratio([1.0, 10.0, 1.0], [2.0, 20.0, 4.0]) == 0.5


def test_growth_is_the_exponent_of_the_length(bench):
    rows = [long_row(n, n / 1e3, n * n) for n in (128, 512, 2048)]
    rows += [long_row(128, 99.0, 1, direction="forward")]
    (found,) = bench.growths(rows)
    assert found["system"] == "local"
    assert found["time"] == pytest.approx(1.0)
    assert found["memory"] == pytest.approx(2.0)
    assert bench.growth(rows[:1], "torch", "local", "median_s") is None
    assert bench.growth(rows, "torch", "full", "median_s") is None


def test_the_table_says_how_to_install_what_is_absent(bench):
    out = io.StringIO()
    row = {
        "backend": "torch",
        "length": 128,
        "padded": True,
        "direction": "both",
        "missing": {"hub_block": "pip install keras-hub"},
        "systems": {
            name: entry(0.002) for name in ("ours", "keras", "our_block")
        },
        "ratios": {"ours": 0.87},
    }
    bench.show_peers([row], Console(file=out, width=160))
    assert "0.87" in out.getvalue()
    assert "not installed" in out.getvalue()
    assert "pip install keras-hub" in out.getvalue()


def test_memory_that_nobody_could_measure_is_a_dash(bench, tmp_path):
    out = io.StringIO()
    rows = [long_row(128, 0.001, None), long_row(256, 0.002, None)]
    bench.show_long(rows, Console(file=out, width=160))
    assert "LocalSelfAttention" in out.getvalue()
    bench.draw_long(rows, tmp_path / "length.png")
    assert (tmp_path / "length.png").stat().st_size > 1000


@pytest.mark.slow
def test_it_runs_with_tiny_sizes(bench, tmp_path):
    kept = tmp_path / "new/attention.json"
    result = run(
        bench, "--quick", "--backend", "torch", "--threads", 1, "--json", kept
    )
    assert result.exit_code == 0, result.output
    found = json.loads(kept.read_text())
    for part in ("peers", "length"):
        command = found["runs"][part]["command"]
        assert "--quick" in command and "torch" in command
    # 2 lengths, with and without padding, 2 directions.
    assert len(found["peers"]) == 8 and len(found["long"]) == 2
    for row in found["peers"]:
        assert set(row["systems"]) | set(row["missing"]) == set(bench.PEERS)
        assert row["ratios"]["ours"] > 0
        assert row["systems"]["ours"]["repetitions"] >= 2
    for row in found["long"]:
        assert set(row["systems"]) == set(bench.LONG), row["missing"]
        assert row["times_local"]["local"] == 1.0
    assert (tmp_path / "new/attention_length.png").is_file()
    for title in (bench.TITLES["keras"], bench.TITLES["full_plain"]):
        assert title in result.output


def test_a_part_run_again_leaves_the_other_as_it_is(bench, tmp_path):
    kept = tmp_path / "attention.json"
    runs = {"peers": {"command": "a"}, "length": {"command": "b"}}
    old = {"runs": runs, "peers": [1], "long": [2], "growth": [3]}
    kept.write_text(json.dumps(old))
    found = bench.merged(kept, {"length": {"command": "c"}})
    assert found["runs"] == {
        "peers": {"command": "a"},
        "length": {"command": "c"},
    }
    assert (found["peers"], found["long"]) == ([1], [2])
    assert bench.merged(tmp_path / "none", runs)["runs"] == runs


@pytest.mark.parametrize(
    "options, message",
    [
        (["--backend", "mxnet"], "--backend mxnet"),
        (["--part", "all"], "--part all"),
    ],
)
def test_wrong_options_are_refused(bench, options, message):
    result = run(bench, *options)
    assert result.exit_code == 2
    assert message in result.output


def test_our_systems_and_theirs_compute_the_same_kind_of_thing(load_script):
    """All systems of a part take and give the same shapes, and weigh the same.

    A system with other sizes would be compared unfairly.
    """
    systems = load_script("benchmarks/attention_systems.py")
    sizes = {
        "hidden_dim": 16,
        "num_heads": 2,
        "intermediate_dim": 24,
        "window": 3,
    }
    rng = systems.np.random.default_rng(0)
    x = rng.standard_normal((2, 8, 16), dtype="float32")
    mask = systems.np.arange(8) < systems.np.array([[8], [5]])
    counts = {}
    for name, make in systems.SYSTEMS.items():
        try:
            layer, call = make(sizes)
        except systems.MissingSystem as error:
            assert "pip install" in str(error)
            continue
        assert tuple(call(x, mask).shape) == x.shape, name
        counts[name] = layer.count_params()
    blocks = {counts.pop(name) for name in AGAINST_BLOCK if name in counts}
    assert len(blocks) == 1 and len(set(counts.values())) == 1, counts


AGAINST_BLOCK = ("our_block", "hub_block")
