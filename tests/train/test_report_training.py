"""The table of training speeds."""

RESULT = {
    "titles": {"ours": "ours", "keras_hub": "hub", "torch_encoder": "torch nn"},
    "run": {
        "machine": "a machine",
        "command": "python benchmarks/training.py --threads 2",
        "minutes": 4.2,
        "threads": 2,
        "plan": {"batch": 8, "length": 128},
    },
    "rows": [
        {
            "backend": "jax",
            "missing": {"keras_hub": "keras-hub is not installed"},
            "systems": {
                name: {
                    "median_s": seconds,
                    "low_s": seconds / 2,
                    "high_s": 2 * seconds,
                    "parameters": 3000,
                    "tokens_per_second": 1000 / seconds,
                }
                for name, seconds in (("ours", 0.1), ("torch_encoder", 0.2))
            },
            "faster": {"torch_encoder": 2.04},
        }
    ],
}


def test_systems_stand_side_by_side(load_script):
    render = load_script("train/report_training.py").render_training
    text = render(RESULT)
    assert "| jax | ours | 3,000 | 100 (50-200) | 10,000 |  |" in text
    row = "| (torch) | torch nn | 3,000 | 200 (100-400) | 5,000 | 2.04 |"
    assert row in text
    assert "keras-hub is not installed.\n" in text
    assert "8 x 128 tokens; 4 minutes" in text
    assert "python benchmarks/training.py --threads 2" in text
    for nothing in (None, {"rows": []}):
        assert "has not been run yet" in render(nothing)
